import { readFileSync } from 'node:fs';
import path from 'node:path';
import { withSample } from '../support/sample';
import { SAMPLE } from '../support/session';
import type { Workbench } from '../support/workbench';
import { until } from '../support/workbench';

interface Launch {
  readonly configurations: readonly { readonly name: string }[];
}

const { configurations } = JSON.parse(
  readFileSync(path.join(SAMPLE, '.vscode', 'launch.json'), 'utf8'),
) as Launch;

/** The last line of the terminal that docs/stories.md shows of each story; the others are compared without an editor. */
const lastLines: Readonly<Record<string, string>> = { 'Story: wrecked stack': 'hyp:   cpu' };

/** Each launch configuration of the sample is chosen from the list, and runs to its end. */
describe('the stories of the sample', () => {
  let workbench: Workbench;

  withSample('story', (opened) => (workbench = opened));

  for (const { name } of configurations) {
    it(name, async () => {
      const last = lastLines[name] ?? 'host: power off';
      await workbench.startConfiguration(name);
      await workbench.stopped(/_start/);
      await workbench.continue();
      await until(`"${last}"`, async () => (await workbench.terminalEnd()).includes(last));
      await workbench.ended();
      await workbench.screenshot(
        `story-${name
          .replace(/^Story: /, '')
          .toLowerCase()
          .replaceAll(' ', '-')}`,
      );
    });
  }
});
