import assert from 'node:assert/strict';
import fc from 'fast-check';
import { UserError } from '../errors';
import { InspectBench, SAMPLE } from './testing/bench';

/** At a trap of the guest, in the hypervisor's vectors. */
const values: readonly (readonly [string, RegExp])[] = [
  ['x0', /^0x[0-9a-f]+$/],
  ['X0', /^0x[0-9a-f]+$/],
  ['$x0', /^0x[0-9a-f]+$/],
  ['w0', /^0x[0-9a-f]{1,8}$/],
  ['lr', /^0x/],
  ['pc', /^0x7[0-9a-f]+ <hyp_guest_vectors\+0x400>$/],
  ['el', /^0x2$/],
  ['cpu', /^0x0$/],
  ['ec', /^0x16 \(22\)$/],
  ['iss', /^0x0$/],
  ['ec == 0x16 && vcpu.vcpu_id == 0', /^0x1$/],
  ['HCR_EL2', /^0x[0-9a-f]+ VM .*RW$/],
  ['hcr_el2.vm', /^1$/],
  ['HCR_EL2.VM + 1', /^0x2$/],
  ['ESR_EL2.EC', /^0x16 \(HVC\)$/],
  ['q0', /^0x[0-9a-f]{32}$/],
  ['d31', /^0x/],
  ['hyp_guest_vectors', /^0x7[0-9a-f]+ <hyp_guest_vectors>$/],
  ['&guest_exit', /^0x7[0-9a-f]+ <guest_exit>$/],
  ['vcpus', /^1 vcpu: vcpu 1\.0 runs on CPU 0$/],
  ['vcpu', /^struct vcpu at EL2:0x7/],
  ['vcpu->vm->vmid', /^0x1$/],
  ['vcpu.vm.vttbr_el2', /^0x1[0-9a-f]{12} VMID=1/],
  ['vcpu.ctxt.x[1 + 2]', /^0x/],
  ['vcpus[0].vm.vmid * 2', /^0x2$/],
  ['host.running_vcpu', /-> struct vcpu$/],
  ['(vcpu*)host.running_vcpu', /^struct vcpu at EL2:0x7/],
  ['*(vm*)vcpu.vm', /^struct vm at EL2:0x7/],
  ['PA:0x40080000', /^PA:0x40080000 <_start>$/],
  ['(s8)0xff == -1', /^0x1$/],
  ['-1', /^0xffffffffffffffff \(-1\)$/],
  ['1 << 63', /^0x8000000000000000 \(9223372036854775808\)$/],
];

const errors: readonly (readonly [string, RegExp])[] = [
  ['', /There is nothing to evaluate: write an expression/],
  ['HRC_EL2', /did you mean HCR_EL2\?/],
  ['x31', /is no register, field, variable or symbol here: did you mean/],
  ['guest_exi', /did you mean guest_exit\?/],
  ['HCR_EL2.VMM', /HCR_EL2 has no part "VMM": there are/],
  ['vcpu.ctxt.x[31]', /has no (part|element)/],
  ['vcpu.nothing', /vcpu has no part "nothing": there are ctxt, vm/],
  ['1 +', /A value is missing before the end/],
  ['*(u64*)0x10', /cannot be read: it is not mapped in EL2 \(stage 1 translation fault, level \d\)/],
  ['*(u32*)EL1,vmid=7:0x40000000', /virtual machine with VMID 7 are not loaded.*no vcpu/],
  ['*(u32*)EL1,vmid=1,asid=9:0x40000000', /ASID 9 are not loaded/],
  ['(nothing*)0x40080000', /no struct "nothing"/],
  ['x0 = 5', /./],
];

const hex = (v: bigint): string => `0x${v.toString(16)}`;

describe('evaluate', () => {
  let b: InspectBench;
  const linkOf = (symbol: string): bigint => b.target.symbols.symbolByName(symbol)[0]?.address ?? 0n;
  before(async () => {
    b = new InspectBench({ program: SAMPLE });
    await b.runTo('guest-entry');
    await b.runTo('trap-entry');
  });

  for (const [expression, result] of values)
    it(`gives ${expression}`, async () => assert.match(await b.evaluate(expression), result));

  it('names the symbol of an address of another regime', async () => {
    const at = `EL2:${hex(linkOf('hyp_guest_vectors') + 0x7000000000n)}`;
    assert.equal(await b.evaluate(at), `${at} <hyp_guest_vectors>`);
  });

  for (const [expression, message] of errors)
    it(`explains what is wrong with "${expression}"`, () =>
      assert.rejects(b.evaluate(expression), (e) => e instanceof UserError && message.test(e.message)));

  it('reads the same memory through every regime', async () => {
    const pa = await b.evaluate('*(u64*)PA:0x40080000');
    assert.equal(await b.evaluate('*(u64*)EL1,vmid=0:0x40080000'), pa);
    const va = (await b.evaluate('hyp_guest_vectors')).split(' ')[0] ?? '';
    const link = BigInt(va) - 0x7000000000n;
    assert.equal(await b.evaluate(`*(u64*)${va}`), await b.evaluate(`*(u64*)PA:0x${link.toString(16)}`));
    // The guest's image is copied to where its stage 2 has it.
    const start = linkOf('guest_start');
    const place = b.target.guest.physical(0, { kind: 'IPA', vmid: 1 }, start) ?? 0n;
    assert.ok(place !== 0n && place !== start);
    const guest = await b.evaluate(`*(u64*)PA:${hex(place)}`);
    assert.equal(await b.evaluate(`*(u64*)EL1,vmid=1:${hex(start)}`), guest);
    assert.equal(await b.evaluate(`*(u64*)IPA(1):${hex(start)}`), guest);
    assert.equal(await b.evaluate(`*(u64*)${hex(start)}`, 'watch', 2), guest);
  });

  it('reads the guest while the host runs, and the host while the guest runs', async () => {
    const c = new InspectBench({ program: SAMPLE });
    await c.runTo('guest-entry');
    // The guest is a copy of a part of the host's image: make one word of it different.
    const at = hex(c.target.symbols.symbolByName('guest_start')[0]?.address ?? 0n);
    const place = hex(c.target.guest.physical(0, { kind: 'IPA', vmid: 1 }, BigInt(at)) ?? 0n);
    await c.evaluate(`*(u64*)PA:${place} = 0x1111`, 'repl');
    const guest = await c.evaluate(`*(u64*)PA:${place}`);
    const host = await c.evaluate(`*(u64*)PA:${at}`);
    assert.notEqual(guest, host);
    assert.equal(await c.evaluate(`*(u64*)${at}`), guest);
    assert.equal(await c.evaluate(`*(u64*)EL1,vmid=0:${at}`), host);
    // In the guest or the host, whoever makes the next call; then by the host, for sure.
    for (let i = 0; i < 50 && (await c.evaluate('vmid')) !== '0x0'; i++) await c.runTo('hvc');
    assert.equal(await c.evaluate('vmid'), '0x0');
    assert.equal(await c.evaluate(`*(u64*)EL1,vmid=1:${at}`), guest);
    assert.equal(await c.evaluate(`*(u64*)IPA(1):${at}`), guest);
    await assert.rejects(c.evaluate(`*(u64*)IPA:${at}`), /No virtual machine is loaded/);
  });

  it('knows the syndrome of a call that a filter has stopped before, as a condition does', async () => {
    const c = new InspectBench({ program: SAMPLE });
    await c.runTo('smc');
    assert.deepEqual([await c.evaluate('ec'), await c.evaluate('iss')], ['0x17 (23)', '0x0']);
    await c.ask('setExceptionBreakpoints', { filters: [] });
    assert.equal(await c.evaluate('ec == 0x17'), '0x1');
    await c.runTo('hvc');
    assert.equal(await c.evaluate('ec'), '0x16 (22)');
  });

  it('casts the current vcpu, and pointers, to structs of their own world', async () => {
    const at = async (text: string): Promise<string> =>
      (await b.evaluate(text)).replace(/^struct \w+ at /, '');
    const vcpu = await at('vcpu');
    assert.match(vcpu, /^EL2:0x70/);
    assert.equal(await at('(vcpu*)vcpu'), vcpu);
    assert.equal(await at('(vcpu*)host.running_vcpu'), vcpu);
    assert.equal(await at('(vcpu*)vcpus[0]'), await at('vcpus[0]'));
    assert.equal(await at('(ctxt*)vcpu.ctxt'), vcpu);
  });

  it('refers to the memory that a load reads, in its space', async () => {
    const reference = async (expression: string): Promise<string | undefined> =>
      (await b.ask('evaluate', { expression, context: 'watch', frameId: (await b.frame()).id }))
        .memoryReference;
    assert.equal(await reference('*(u64*)PA:0x40080000'), 'PA:0x40080000');
    assert.equal(
      await reference('*(u32*)(TPIDR_EL2 + 8)'),
      `EL2:${hex(BigInt(await b.evaluate('TPIDR_EL2 + 8').then((t) => t.split(' ')[0] ?? '')))}`,
    );
    assert.equal(await reference('*(u64*)PA:0x40080000 + 1'), undefined);
  });

  describe('in the console', () => {
    let c: InspectBench;
    beforeEach(() => void (c = new InspectBench({ program: SAMPLE })));
    const repl = (text: string): Promise<string> => c.evaluate(text, 'repl');

    it('assigns registers, parts and fields', async () => {
      assert.equal(await repl('x3 = 0x10'), '0x10');
      assert.equal(await repl('x3 += 8'), '0x18');
      assert.equal(await repl('x3 <<= 4'), '0x180');
      assert.equal(await repl('w3 = 7'), '0x7');
      assert.equal(await repl('x3'), '0x7');
      assert.equal(
        await repl('v1 = 0xffeeddccbbaa99887766554433221100'),
        '0xffeeddccbbaa99887766554433221100',
      );
      assert.equal(await repl('d1'), '0x7766554433221100');
      // A write to Dn zeroes the rest of Vn.
      assert.equal(await repl('d1 = 5'), '0x5');
      assert.equal(await repl('v1'), '0x00000000000000000000000000000005');
      assert.equal(await repl('TCR_EL2.TG0 = 16 KiB'), '0x2 (16 KiB)');
      assert.equal(await repl('VTTBR_EL2.VMID = 9'), '0x9');
      assert.equal(await repl('VTTBR_EL2 >> 48'), '0x9');
    });

    it('assigns memory', async () => {
      await repl('*(u32*)PA:0x48000000 = 0x11223344');
      await repl('*(u8*)0x48000001 = 0xff');
      assert.match(await repl('*(u32*)0x48000000'), /^0x1122ff44 /);
      await assert.rejects(repl('*(u32*)PA:0x9000000 = 1'), /cannot be written/);
      await assert.rejects(repl('5 = 6'), /"5" cannot be assigned to/);
      await assert.rejects(repl('nobody = 6'), /"nobody" is no register/);
      await assert.rejects(repl('x3 = '), UserError);
    });

    it('changes nothing elsewhere', async () => {
      await assert.rejects(c.evaluate('x3 = 5', 'watch'));
      await assert.rejects(c.evaluate('x3 = 5', 'hover'));
      assert.equal(await repl('x3'), '0x0');
      assert.equal(await repl('x3 == 0'), '0x1');
    });

    it('moves execution when the PC is assigned', async () => {
      const at = (await repl('host_start')).split(' ')[0] ?? '';
      await repl(`pc = ${at}`);
      assert.equal((await c.stack())[0], 'host_start');
      const effects = c.events.filter((e) => e.event === 'invalidated').at(-1)?.body;
      assert.deepEqual(effects, { areas: ['stacks', 'variables'] });
    });

    it('changes what an expression names', async () => {
      const set = await c.ask('setExpression', { expression: 'HCR_EL2.TWI', value: '1' });
      assert.equal(set.value, '1');
      assert.equal(await repl('HCR_EL2.TWI'), '1');
    });

    it('completes names and fields', async () => {
      const labels = async (text: string): Promise<string[]> =>
        (await c.ask('completions', { text, column: text.length + 1 })).targets.map((t) => t.label);
      assert.deepEqual(await labels('1 + HCR'), ['HCR_EL2']);
      assert.deepEqual(await labels('HCR_EL2.TW'), ['TWE', 'TWI']);
      assert.ok((await labels('host_st')).includes('host_start'));
      const [first] = (await c.ask('completions', { text: 'x0 + hcr', column: 9 })).targets;
      assert.deepEqual([first?.start, first?.length], [6, 3]);
    });
  });

  it('survives any text', async () => {
    const words = fc.constantFrom(
      ...'x0 vcpu host HCR_EL2 . -> [ ] ( ) * & + = == EL2: PA:0x10 (u32*) 5 ? : $ , vmid=1'.split(' '),
    );
    const { id } = await b.frame();
    await fc.assert(
      fc.asyncProperty(
        fc.array(words, { maxLength: 8 }),
        fc.constantFrom('watch', 'hover'),
        async (parts, context) => {
          try {
            await b.ask('evaluate', { expression: parts.join(''), frameId: id, context });
          } catch (e) {
            assert.ok(
              e instanceof UserError,
              `${parts.join('')}: ${e instanceof Error ? e.stack : String(e)}`,
            );
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});
