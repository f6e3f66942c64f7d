/** The region tier for who compares single instructions. */
import { Heat } from '../../emulator/codegen/handlers';
import type { TranslatorOptions } from '../../emulator/core/translator';

/** Every instruction becomes a region by itself as soon as control comes to it by a branch, or as the first of a run. */
export const singleRegions: TranslatorOptions = {
  ...{ batch: 1, patience: 0, instructions: 1, live: Heat.regions, heat: 1, links: 2048, count: false },
};
