/**
 * Proof that the checkers can complain: one line of the hypervisor is changed, and the run is no longer clean. What finds
 * it is named: a checker, or `text` for what a story prints.
 */
import assert from 'node:assert/strict';
import { judge } from './judge';
import { BROKEN_LIMIT, mutations, type Mutation } from './mutations';
import { buildProgram } from './program';
import { Rig } from './rig';
import { cases, type Case } from './stories';

/** Is something wrong with a run? By the same rules as properties.test.ts. */
function findings(
  c: Case,
  { patches, strict = false }: Mutation,
): { readonly by: string; readonly text: string }[] {
  const rig = new Rig(buildProgram(c.story, patches), { cpus: c.cpus, strict });
  judge(rig);
  const end = rig.run(undefined, BROKEN_LIMIT);
  const wrong =
    end !== 'off' || c.says.some((text) => !text.test(rig.uart)) || /something is wrong/.test(rig.uart);
  const d8 = !/d8 is as it was/.test(rig.uart);
  return [...rig.complaints, ...(wrong || d8 ? [{ by: 'text', text: rig.uart }] : [])];
}

describe('Checkers of the hypervisor find', function () {
  for (const m of mutations)
    it(`${m.breaks} (${m.by})`, () => {
      const c = cases.find((x) => x.name === m.in);
      assert.ok(c);
      const found = findings(c, m);
      const match = found.find((f) => f.by === m.by && (m.says?.test(f.text) ?? true));
      assert.ok(match, JSON.stringify(found.slice(0, 4), undefined, 1));
    });
});
