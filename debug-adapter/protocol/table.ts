import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import type { Need, Session } from '../session';

/** The arguments of `worldswitch/uart`: input for the guest, or whether output is wanted as events. */
export interface UartArguments {
  /** Bytes for the guest's receiver, in base64. */
  readonly data?: string;
  /** Whose receiver: `uart0` unless given, or `hvc0`. */
  readonly port?: string;
  /** true: send `worldswitch/uart` events; false: `output` events. */
  readonly subscribe?: boolean;
}

/** The arguments of `worldswitch/trace`. */
export interface TraceArguments {
  /** How many of the last events to answer with. */
  readonly last?: number;
  /** Send later events as `worldswitch/trace`; true when absent. */
  readonly subscribe?: boolean;
}

type Nothing = Record<string, unknown> | undefined;

/** Command -> [arguments, body of the response]. */
export interface Requests {
  initialize: [DP.InitializeRequestArguments, DP.Capabilities];
  launch: [DP.LaunchRequestArguments, void];
  configurationDone: [Nothing, void];
  restart: [DP.RestartArguments | undefined, void];
  terminate: [DP.TerminateArguments | undefined, void];
  disconnect: [DP.DisconnectArguments | undefined, void];
  cancel: [DP.CancelArguments | undefined, void];

  setBreakpoints: [DP.SetBreakpointsArguments, DP.SetBreakpointsResponse['body']];
  setFunctionBreakpoints: [DP.SetFunctionBreakpointsArguments, DP.SetFunctionBreakpointsResponse['body']];
  setInstructionBreakpoints: [
    DP.SetInstructionBreakpointsArguments,
    DP.SetInstructionBreakpointsResponse['body'],
  ];
  setExceptionBreakpoints: [DP.SetExceptionBreakpointsArguments, DP.SetExceptionBreakpointsResponse['body']];
  dataBreakpointInfo: [DP.DataBreakpointInfoArguments, DP.DataBreakpointInfoResponse['body']];
  setDataBreakpoints: [DP.SetDataBreakpointsArguments, DP.SetDataBreakpointsResponse['body']];
  breakpointLocations: [DP.BreakpointLocationsArguments, DP.BreakpointLocationsResponse['body']];

  continue: [DP.ContinueArguments, DP.ContinueResponse['body']];
  pause: [DP.PauseArguments, void];
  next: [DP.NextArguments, void];
  stepIn: [DP.StepInArguments, void];
  stepOut: [DP.StepOutArguments, void];
  threads: [Nothing, DP.ThreadsResponse['body']];
  exceptionInfo: [DP.ExceptionInfoArguments, DP.ExceptionInfoResponse['body']];

  stackTrace: [DP.StackTraceArguments, DP.StackTraceResponse['body']];
  scopes: [DP.ScopesArguments, DP.ScopesResponse['body']];
  variables: [DP.VariablesArguments, DP.VariablesResponse['body']];
  setVariable: [DP.SetVariableArguments, DP.SetVariableResponse['body']];
  setExpression: [DP.SetExpressionArguments, DP.SetExpressionResponse['body']];
  evaluate: [DP.EvaluateArguments, DP.EvaluateResponse['body']];
  completions: [DP.CompletionsArguments, DP.CompletionsResponse['body']];
  source: [DP.SourceArguments, DP.SourceResponse['body']];
  loadedSources: [Nothing, DP.LoadedSourcesResponse['body']];
  modules: [DP.ModulesArguments, DP.ModulesResponse['body']];
  locations: [DP.LocationsArguments, DP.LocationsResponse['body']];
  readMemory: [DP.ReadMemoryArguments, DP.ReadMemoryResponse['body']];
  writeMemory: [DP.WriteMemoryArguments, DP.WriteMemoryResponse['body']];
  disassemble: [DP.DisassembleArguments, DP.DisassembleResponse['body']];

  'worldswitch/uart': [UartArguments, void];
  'worldswitch/trace': [TraceArguments | undefined, { lines: string[] }];
}

export type Command = keyof Requests;

/** Answers one request: returns the body, or throws; a UserError becomes the error response. */
export type Handler<C extends Command> = (
  ctx: Session,
  args: Requests[C][0],
  request: RequestContext,
) => Promise<Requests[C][1]> | Requests[C][1];

export type HandlerTable = { [C in Command]: Handler<C> };

/** What belongs to one request. */
export interface RequestContext {
  /** Aborted by `cancel`. */
  readonly signal: AbortSignal;
  /** Runs `f` after the response has been sent: for events that must not come before it. */
  afterResponse(f: () => void): void;
}

/** Needs that differ from 'launch'. */
export const needs: Partial<Record<Command, Need>> = {
  initialize: 'nothing',
  launch: 'initialize',
  terminate: 'initialize',
  disconnect: 'nothing',
  cancel: 'nothing',
  threads: 'initialize',
  next: 'stop',
  stepIn: 'stop',
  stepOut: 'stop',
  stackTrace: 'stop',
  scopes: 'stop',
  variables: 'stop',
  setVariable: 'stop',
  setExpression: 'stop',
  exceptionInfo: 'stop',
  'worldswitch/uart': 'initialize',
};
