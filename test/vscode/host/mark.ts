/** Marks mocha's lines among the workbench's own; run.ts prints only those. */
export const MARK = '[host] ';
