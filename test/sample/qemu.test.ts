import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireTool } from '../support/oracles';
import { SAMPLE_TOOLS, SampleBuild, runOnQemu } from './gnu';

const GOLDEN = join(__dirname, 'golden', 'uart.txt');

describe('The reference hypervisor on QEMU, built by GNU as and ld', function () {
  let build: SampleBuild;

  beforeEach(function () {
    requireTool(this, ...SAMPLE_TOOLS);
    build = new SampleBuild();
  });
  afterEach(() => build?.dispose());

  it('prints the golden text and powers off', async () => {
    const { uart, code } = await runOnQemu(build.build());
    assert.equal(uart, readFileSync(GOLDEN, 'utf8'));
    assert.equal(code, 0);
  });

  it('does not depend on where its sections lie', async () => {
    const elsewhere = build.build(['-Ttext=0x40301000']); // ld's own order, and over a 2 MiB boundary's other side
    const { uart, code } = await runOnQemu(elsewhere);
    assert.equal(uart, readFileSync(GOLDEN, 'utf8'));
    assert.equal(code, 0);
  });

  it('panics at EL2 with the syndrome and powers off, when the host passes a wrong vcpu', async () => {
    build.change('host/run.S', 'mov\tx1, x19\n', 'mov\tx1, #0x10000\n');
    const { uart, code } = await runOnQemu(build.build());
    // A data abort from EL2 itself (EC 0x25) at the EL2 address of that "vcpu"; no guest runs.
    const [, elr, esr, far, vcpu] =
      /hyp: panic\n.*elr_el2 +0x(\w+)\n.*esr_el2 +0x(\w+)\n.*far_el2 +0x(\w+)\n[^]*vcpu +0x(\w+)\n$/.exec(
        uart,
      ) ?? [];
    assert.match(elr ?? '', /^0000007040/, uart);
    assert.equal(BigInt(`0x${esr ?? 0}`) >> 26n, 0x25n);
    assert.match(far ?? '', /^000000700001/);
    assert.match(vcpu ?? '', /^0+$/);
    assert.equal(code, 0);
  });

  it('reports an exit of the guest that the host cannot handle', async () => {
    // Two registers from a device by one instruction: the syndrome says nothing of them.
    build.change('guests/hello.S', '\tsvc\t#0x42\n', '\tmov\tx1, #UART_BASE\n\tldp\tx2, x3, [x1]\n');
    const { uart, code } = await runOnQemu(build.build());
    assert.match(
      uart,
      /host: cannot go on with the guest, ESR_EL2 0x0000000092[0-9a-f]{6}, pc 0x00000000400/,
    );
    assert.equal(code, 0);
  });

  it('notices when a world switch loses a register', async () => {
    // The guest compares x19-x28 with what it left there: prove that this can fail.
    build.change(
      'macros.inc',
      'x23, x24, [x0, #ctxt.x + 8 * 23]\n\tldp',
      'x23, x24, [x0, #ctxt.x + 8 * 25]\n\tldp',
    );
    const { uart } = await runOnQemu(build.build());
    assert.match(uart, /guest: flag is set\nguest: something is wrong\n/);
  });

  it('says what is missing on a board without EL2', async () => {
    const { uart } = await runOnQemu(build.build(), {
      machine: 'virt,gic-version=3',
      until: 'virtualization=on',
    });
    assert.match(uart, /^This program starts at EL2/);
  });
});
