/** stackTrace, scopes, source, loadedSources, modules. */
import * as fs from 'node:fs';
import path from 'node:path';
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import { UserError } from '../errors';
import { formatAddress, hex } from '../inspect/address-space';
import { referenceOf } from '../inspect/containers';
import type { Frame } from '../inspect/frame';
import { scopesOf } from '../inspect/scopes';
import { documentsOf, viewOf, type StopView } from '../inspect/stop-view';
import { framesOf } from '../inspect/threads';
import type { HandlerTable } from '../protocol/table';
import type { Session } from '../session';
import type { SymbolModule } from '../symbols/module';
import type { Target } from '../target';

const lineShift = (ctx: Session): number => (ctx.client?.linesStartAt1 === false ? 1 : 0);
const columnShift = (ctx: Session): number => (ctx.client?.columnsStartAt1 === false ? 1 : 0);

/** Files that were looked for on disk. Sources do not come and go during a stop. */
const existing = new Map<string, boolean>();

/** A path may be relative (GCC's -ffile-prefix-map): what it says is not meant from the adapter's folder. */
function exists(file: string): boolean {
  if (!path.isAbsolute(file)) return false;
  let known = existing.get(file);
  if (known === undefined) {
    known = fs.existsSync(file);
    existing.set(file, known);
  }
  return known;
}

/** Where a frame's code is: its source file, or a generated document. */
export function sourceOf(
  ctx: Session,
  view: StopView,
  frame: Pick<Frame, 'space' | 'lookup' | 'callSite'>,
): { source: DP.Source; line: number; column: number } {
  const found:
    { readonly path: string; readonly line: number; readonly column?: number | undefined } | undefined =
    frame.callSite ?? view.walker.lineAt(frame, frame.lookup);
  if (found && exists(found.path))
    return {
      source: { name: path.basename(found.path), path: found.path },
      line: found.line - lineShift(ctx),
      column: (found.column ?? 1) - columnShift(ctx),
    };
  const generated = documentsOf(ctx).lineOf(view.guest, frame.space, frame.lookup);
  return {
    source: {
      name: generated.name,
      sourceReference: generated.sourceReference,
      presentationHint: 'deemphasize',
      ...(found ? { origin: `${found.path} was not found: add a "sourceMap" entry to launch.json` } : {}),
    },
    line: generated.line - lineShift(ctx),
    column: 1 - columnShift(ctx),
  };
}

function describe(ctx: Session, view: StopView, frame: Frame): DP.StackFrame {
  const common = { id: view.idOf(frame), name: view.walker.nameOf(frame) };
  if (frame.kind === 'label') return { ...common, line: 0, column: 0, presentationHint: 'label' };
  return {
    ...common,
    ...sourceOf(ctx, view, frame),
    instructionPointerReference: formatAddress(frame.space, frame.pc),
    presentationHint: 'normal',
    ...moduleOf(ctx, view, frame),
  };
}

/** The program that a frame's code belongs to. */
function moduleOf(ctx: Session, view: StopView, frame: Frame): { moduleId?: number } {
  const file = view.walker.symbolAt(frame, frame.lookup)?.file;
  const module = ctx.requireTarget().symbols.modules.find((m) => m.name === file);
  return module ? { moduleId: module.id } : {};
}

/** A file of symbols as clients see it: the modules of a kernel with where they are. */
export function describeModule(target: Target, m: SymbolModule): DP.Module {
  const loaded = target.modules?.moduleOf(m);
  const status = m.image.lines.present ? 'Symbols and lines loaded' : 'Symbols loaded, no line information';
  const place = loaded && {
    addressRange: `${hex(loaded.base)}, ${loaded.size} bytes`,
    symbolStatus: `Symbols of the kernel's list, found ${target.linux?.modules.how ?? 'in memory'}`,
  };
  return {
    id: m.id,
    name: path.basename(m.name),
    ...(loaded ? {} : { path: m.name }),
    symbolStatus: status,
    ...place,
  };
}

export const handlers: Partial<HandlerTable> = {
  stackTrace(ctx, args) {
    const view = viewOf(ctx);
    const all = framesOf(ctx, args?.threadId);
    const start = Math.max(0, args.startFrame ?? 0);
    const count = args.levels !== undefined && args.levels > 0 ? args.levels : all.length;
    return {
      stackFrames: all.slice(start, start + count).map((f) => describe(ctx, view, f)),
      totalFrames: all.length,
    };
  },

  scopes(ctx, args) {
    const view = viewOf(ctx);
    const frame = view.frame(args?.frameId);
    const scopes = scopesOf(view, frame).map(({ name, hint, expensive, content }): DP.Scope => {
      const make = (): { name: string; value: string; parts: typeof content } => ({
        name,
        value: '',
        parts: content,
      });
      return {
        name,
        expensive,
        ...(hint === undefined ? {} : { presentationHint: hint }),
        ...referenceOf(view, make),
      };
    });
    return { scopes };
  },

  source(ctx, args) {
    const reference = args?.source?.sourceReference ?? args?.sourceReference;
    if (!reference)
      throw new UserError(
        'The request needs a sourceReference: files on disk are read by the editor itself.',
      );
    const target = ctx.requireTarget();
    const cpu = ctx.control?.lastStop?.cpu ?? target.machine.schedule.current;
    return { content: documentsOf(ctx).text(target.guest, cpu, reference), mimeType: 'text/x-asm' };
  },

  loadedSources(ctx) {
    ctx.requireTarget();
    return {
      sources: documentsOf(ctx)
        .list()
        .map(({ name, sourceReference }) => ({ name, sourceReference })),
    };
  },

  modules(ctx, args) {
    const target = ctx.requireTarget();
    const all = target.symbols.modules.map((m) => describeModule(target, m));
    const start = args?.startModule ?? 0;
    const count = args?.moduleCount ? args.moduleCount : all.length;
    return { modules: all.slice(start, start + count), totalModules: all.length };
  },
};
