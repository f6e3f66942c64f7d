/** From what run control reports to the events of the protocol. */
import type { TraceEvent } from './arch/types';
import type { ControlListener, EndReport, StopReport } from './control/types';
import type { ModuleChanges } from './linux/module-symbols';
import { announceChange } from './requests/breakpoints';
import { describeModule } from './requests/stack';
import { sentenceOf } from './errors';
import { ConsoleLines } from './console-lines';
import type { Session } from './session';

/** Most lines of the trace in one event. */
const MAX_LINES = 1000;

/** Tells a client what happens. Console output and trace lines are gathered, so that a run is not thousands of events. */
export class SessionListener implements ControlListener {
  private bytes: Uint8Array[] = [];
  private events: TraceEvent[] = [];
  private scheduled = false;
  private readonly decoder = new TextDecoder();
  private readonly consoles = new ConsoleLines((line) => this.message(line));

  constructor(private readonly session: Session) {}

  resumed(): void {
    this.session.forgetHandles();
  }

  stopped(report: StopReport): void {
    this.flush();
    this.session.send('stopped', {
      reason: report.reason,
      description: report.description,
      ...(report.text === undefined ? {} : { text: report.text }),
      threadId: report.cpu + 1,
      allThreadsStopped: true,
      ...(report.hitBreakpointIds.length > 0 ? { hitBreakpointIds: report.hitBreakpointIds } : {}),
    });
  }

  ended(report: EndReport): void {
    this.flush();
    this.consoles.flush();
    const { session } = this;
    if (report.kind === 'reset' && this.reboot(report.reason)) return;
    // A guest that did not flush its disks has lost nothing.
    session.target?.keepDisks();
    session.send('worldswitch/poweroff', { reason: report.reason });
    session.send('exited', { exitCode: 0 });
    session.send('terminated');
  }

  /** The guest has reset its machine: it starts again. @returns false when that is not possible */
  private reboot(reason: string): boolean {
    const { session } = this;
    this.message(`The guest has reset the machine: ${reason}.`);
    try {
      const target = session.requireTarget().rebooted();
      session.requireControl().attach(target);
      session.target = target;
    } catch (error) {
      this.message(`It cannot start again: ${sentenceOf(error)}`);
      return false;
    }
    // A guest that does nothing but reset must leave time for requests.
    setImmediate(() => {
      if (session.control && !session.control.running && !session.closed) session.control.resume();
    });
    return true;
  }

  console(bytes: Uint8Array, port: string): void {
    // The terminal is the UART's.
    if (port !== 'uart0') return this.consoles.write(bytes, port);
    this.bytes.push(bytes);
    this.schedule();
  }

  message(text: string): void {
    this.flush();
    this.session.send('output', { category: 'console', output: `${text}\n` });
  }

  readonly followsTrace = (): boolean =>
    this.session.wantsTrace || this.session.target?.config.trace === true;

  trace(event: TraceEvent): void {
    this.events.push(event);
    if (this.events.length >= MAX_LINES) this.flushTrace();
    else this.schedule();
  }

  breakpointChanged(id: number): void {
    announceChange(this.session, id);
  }

  modulesChanged({ added, changed, removed }: ModuleChanges): void {
    const { target } = this.session;
    if (!target) return;
    for (const m of removed)
      this.session.send('module', { reason: 'removed', module: { id: m.id, name: m.name } });
    for (const [reason, list] of [
      ['new', added],
      ['changed', changed],
    ] as const)
      for (const m of list) this.session.send('module', { reason, module: describeModule(target, m) });
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => this.flush());
  }

  /** Sends what has been gathered. */
  private flush(): void {
    this.scheduled = false;
    this.flushTrace();
    if (this.bytes.length === 0) return;
    const data = Buffer.concat(this.bytes);
    this.bytes = [];
    if (this.session.wantsUart) this.session.send('worldswitch/uart', { data: data.toString('base64') });
    else {
      const output = this.decoder.decode(data, { stream: true });
      if (output !== '') this.session.send('output', { category: 'stdout', output });
    }
  }

  private flushTrace(): void {
    const { target, wantsTrace } = this.session;
    const events = this.events;
    this.events = [];
    if (events.length === 0 || !target) return;
    const lines = events.map((e) => target.formatter.line(e));
    if (wantsTrace) this.session.send('worldswitch/trace', { lines });
    if (target.config.trace)
      this.session.send('output', { category: 'console', output: `${lines.join('\n')}\n` });
  }
}
