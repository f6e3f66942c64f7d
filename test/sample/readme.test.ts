import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SAMPLE } from './gnu';

const squeeze = (text: string): string => text.replace(/\s+/g, ' ').trim();

describe('The texts about the reference hypervisor', () => {
  it('name source lines that hold what they say', () => {
    const walkthrough = readFileSync(join(SAMPLE, 'README.md'), 'utf8');
    const places = [
      ...walkthrough.matchAll(/line (\d+) of `([^`]+)` \(`([^`]+)`\)/g),
      ...[...walkthrough.matchAll(/In `([^`]+)`, click left of line (\d+) \(`([^`]+)`\)/g)].map(
        ([all, file, line, code]) => [all, line, file, code],
      ),
    ];
    assert.ok(places.length >= 6);
    for (const [all, line, file, code] of places) {
      const source = readFileSync(join(SAMPLE, file ?? ''), 'utf8').split('\n')[Number(line) - 1] ?? '';
      assert.ok(
        squeeze(source)
          .replace(/^\d+: /, '')
          .startsWith(code ?? '?'),
        `${all}: found "${squeeze(source)}"`,
      );
    }
  });

  it('list only files that exist, and every source file', () => {
    const tour = readFileSync(join(SAMPLE, '../README.md'), 'utf8');
    const rows = tour.slice(tour.indexOf('| File |'), tour.indexOf('## Addresses'));
    const files = [...rows.matchAll(/`([\w/-]+\.(?:S|inc))`/g)].map((match) => match[1] ?? '');
    for (const file of files) assert.ok(existsSync(join(SAMPLE, file)), file);
    const sources = ['main.S', 'story.inc', 'hypervisor.S'].map((f) => readFileSync(join(SAMPLE, f), 'utf8'));
    for (const [, file] of sources.join('\n').matchAll(/\.include "([^"]+)"/g))
      assert.ok(files.includes(file ?? ''), file);
  });
});
