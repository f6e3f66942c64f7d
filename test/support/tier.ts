/**
 * Loaded before the specs. `WS_TRANSLATE=stress`: every machine that a spec makes translates all code when it is first
 * reached, in tiny regions that soon go again. `WS_TRANSLATE=off`: nothing is translated. Code uses what the adapter has it use.
 */
import { useWasmFeatures } from '../../debug-adapter/launch/wasm-features';
import { stressTranslation, useTranslation } from '../../emulator/core/translator';

useWasmFeatures();

const mode = process.env['WS_TRANSLATE'];
if (mode === 'stress') useTranslation(stressTranslation);
else if (mode === 'off') useTranslation(false);
else if (mode !== undefined && mode !== '')
  throw new Error(`WS_TRANSLATE is "stress" or "off", not "${mode}".`);
