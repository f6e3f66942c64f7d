/** Data breakpoints on variables of C code: locals, globals, elements, members and bit fields, shown by their types. */
import assert from 'node:assert/strict';
import { InspectBench } from '../../debug-adapter/inspect/testing/bench';
import { requireTool } from '../support/oracles';
import { buildGuest, GNU_TOOLS, lineOf } from './build';

describe('data breakpoints on C variables', function () {
  let b: InspectBench;
  before(function () {
    requireTool(this, ...GNU_TOOLS);
  });
  beforeEach(() => {
    b = new InspectBench({ program: buildGuest(), memory: '64M' });
  });
  afterEach(() => b.control.halt());

  async function watch(name: string, accessType: 'read' | 'write', frame = 0): Promise<boolean | undefined> {
    const found = await b.ask('dataBreakpointInfo', { name, frameId: (await b.frame(frame)).id });
    assert.ok(found.dataId !== null, found.description);
    const { breakpoints } = await b.ask('setDataBreakpoints', {
      breakpoints: [{ dataId: found.dataId, accessType }],
    });
    assert.equal(breakpoints[0]?.verified, true);
    return found.canPersist;
  }
  /** The values and the line of the next stops. */
  async function next(count: number): Promise<string[]> {
    const list: string[] = [];
    for (let i = 0; i < count; i++) {
      const { text = '' } = await b.continue();
      list.push(text.replace(/: (?:written|read) by (\w+)\S* \(.*guest\.c:(\d+)\).*/, ' $1 $2'));
    }
    return list;
  }

  it('a local variable, with its sign', async () => {
    await b.runToFunction('sum');
    // gcc -O0 sets it in the line of its declaration.
    assert.equal(await watch('total', 'write'), false);
    const [first, add] = [lineOf('guest.c', 'int total = 0'), lineOf('guest.c', 'total += values[i]')];
    const seen = await next(6);
    assert.match(seen[0] ?? '', new RegExp(`^total .*0.* sum ${first}$`));
    assert.deepEqual(
      seen.slice(1),
      ['0 -> 3', '3 -> 2', '2 -> 6', '6 -> 5', '5 -> 10'].map((v) => `total ${v} sum ${add}`),
    );
  });

  it('an element of an array that is read', async () => {
    await b.runToFunction('sum');
    await watch('values[1]', 'read');
    assert.deepEqual(await next(1), [`values[1] = -1 sum ${lineOf('guest.c', 'total += values[i]')}`]);
  });

  it('a global variable lasts from session to session', async () => {
    await b.runToFunction('guest_main');
    assert.equal(await watch('checksum', 'write'), true);
    const line = lineOf('guest.c', 'checksum = product');
    assert.match((await next(1))[0] ?? '', new RegExp(`^checksum 0 -> \\d+ guest_main ${line}$`));
  });

  it('an enumeration by its names, a bit field by its bits', async () => {
    await b.runToFunction('guest_main');
    // The initializer zeroes the struct first.
    const until = async (pattern: RegExp): Promise<void> => {
      for (let i = 0; i < 20; i++) if (pattern.test((await next(1))[0] ?? '')) return;
      assert.fail(`nothing like ${pattern}`);
    };
    await watch('shape.colour', 'write');
    await until(/^shape\.colour 0 \(RED\) -> 5 \(GREEN\) guest_main \d+$/);
    await watch('shape.layer', 'write');
    await until(/^shape\.layer 0 -> 42 guest_main \d+$/);
  });
});
