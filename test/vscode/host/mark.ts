/** Marks mocha's lines among the workbench's own; run.ts prints only those. */
export const MARK = '[host] ';

/** Begins the line with the time that the extension's activation took, in ms. */
export const ACTIVATION = 'activation ms: ';
