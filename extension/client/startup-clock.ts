/** When this bundle began to run: imported before everything else, so that loading the other modules counts. */
export const startedAt = performance.now();
