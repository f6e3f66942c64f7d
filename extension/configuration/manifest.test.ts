import assert from 'node:assert/strict';
import { cpuNames, MAX_SMP } from '../../debug-adapter/launch/config';
import { gicVersions } from '../../emulator/board/map';
import { contributes } from '../../package.json';

describe('the manifest', () => {
  const [debug] = contributes.debuggers;
  const attributes = debug?.configurationAttributes.launch.properties;

  it('offers the CPU models and counts that the adapter takes', () => {
    assert.deepEqual(attributes?.cpu.enum, [...cpuNames]);
    assert.equal(attributes?.smp.maximum, MAX_SMP);
    assert.deepEqual(attributes?.gic.enum, [...gicVersions]);
  });

  it('has breakpoints in every language that it debugs', () => {
    const languages = contributes.breakpoints.map(({ language }) => language);
    assert.deepEqual(
      debug?.languages.filter((id) => !languages.includes(id)),
      [],
    );
  });

  it('starts generated configurations with a stop on entry', () => {
    for (const { body } of debug?.configurationSnippets ?? []) assert.equal(body.stopOnEntry, true);
    for (const configuration of debug?.initialConfigurations ?? [])
      assert.equal(configuration.stopOnEntry, true);
  });
});
