import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import { exceptionFilters } from '../arch/a64';

/** What this adapter can do. A line stands here only with a handler and a test behind it. */
export const capabilities: DP.Capabilities = {
  supportsConfigurationDoneRequest: true,
  supportsFunctionBreakpoints: true,
  supportsConditionalBreakpoints: true,
  supportsHitConditionalBreakpoints: true,
  supportsLogPoints: true,
  supportsInstructionBreakpoints: true,
  supportsBreakpointLocationsRequest: true,
  supportsExceptionFilterOptions: true,
  supportsExceptionInfoRequest: true,
  supportsSteppingGranularity: true,
  supportsDelayedStackTraceLoading: true,
  supportsEvaluateForHovers: true,
  supportsClipboardContext: true,
  supportsSetVariable: true,
  supportsSetExpression: true,
  supportsCompletionsRequest: true,
  completionTriggerCharacters: ['.', '>'],
  supportsReadMemoryRequest: true,
  supportsWriteMemoryRequest: true,
  supportsDisassembleRequest: true,
  supportsLoadedSourcesRequest: true,
  supportsModulesRequest: true,
  supportsRestartRequest: true,
  supportsTerminateRequest: true,
  supportsCancelRequest: true,
  exceptionBreakpointFilters: exceptionFilters.map(({ id, label, description }) => ({
    filter: id,
    label,
    description,
    default: false,
    supportsCondition: true,
    conditionDescription: 'Stop only if this holds, e.g. x0 == 0x84000008, ec == 0x16 or vmid == 1',
  })),
};
