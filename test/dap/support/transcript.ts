/** Golden transcripts: what goes over the wire in a session, as text that a reviewer can read. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { DapClient, Message } from './client';

const golden = path.resolve(__dirname, '../../golden/dap');

/** Replaces what differs from machine to machine. */
export type Replacements = readonly (readonly [string, string])[];

function normalise(value: unknown, replacements: Replacements): string {
  let text = JSON.stringify(value ?? {});
  for (const [from, to] of replacements) text = text.replaceAll(JSON.stringify(from).slice(1, -1), to);
  return text;
}

/** Commands whose bodies are tested elsewhere: they grow with each capability. */
const brief: ReadonlySet<string> = new Set(['initialize']);

function line(
  { direction, message: m }: { direction: 'to' | 'from'; message: Message },
  r: Replacements,
): string {
  if (direction === 'to') return `-> ${m.command} ${normalise(m.arguments, r)}`;
  if (m.type === 'event') return `<< ${m.event} ${normalise(m.body, r)}`;
  const body = m.body?.error ?? m.body;
  if (!m.success) return `<- ${m.command} FAILED ${normalise(body, r)}`;
  return `<- ${m.command} ${brief.has(m.command ?? '') ? '...' : normalise(body, r)}`;
}

/** How output is cut into events depends on timing: pieces that follow each other are one. */
function joinOutput(log: DapClient['log']): DapClient['log'] {
  const joined: DapClient['log'][number][] = [];
  for (const entry of log) {
    const last = joined.at(-1)?.message;
    const { message } = entry;
    const same = message.event === 'output' && last?.event === 'output';
    if (same && last.body?.['category'] === message.body?.['category']) {
      const output = String(last.body?.['output']) + String(message.body?.['output']);
      joined[joined.length - 1] = { ...entry, message: { ...message, body: { ...message.body, output } } };
    } else joined.push(entry);
  }
  return joined;
}

/** Compares a session with its golden file; UPDATE_GOLDEN=1 writes the file instead. */
export function checkTranscript(client: DapClient, name: string, replacements: Replacements): void {
  const text = `${joinOutput(client.log)
    .map((entry) => line(entry, replacements))
    .join('\n')}\n`;
  const file = path.join(golden, `${name}.txt`);
  if (process.env['UPDATE_GOLDEN'] === '1') {
    mkdirSync(golden, { recursive: true });
    writeFileSync(file, text);
    return;
  }
  assert.ok(
    existsSync(file),
    `${file} is missing: run the test once with UPDATE_GOLDEN=1 and read what it wrote`,
  );
  assert.equal(text, readFileSync(file, 'utf8'), `${name}: the session differs from its golden transcript`);
}
