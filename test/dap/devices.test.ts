/** Disks and the second console, from launch.json to the guest's driver and back. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DapClient } from './support/client';

/**
 * A driver of a disk and of a console behind it. It reads sector 2; unless that begins with a mark, it writes the mark, and
 * resets the machine. Then it says so on the console, and sends back what is typed there.
 */
const DRIVER = `
	.equ	DISK, 0x0a003c00
	.equ	CONSOLE, 0x0a003e00

_start:
	ldr	x9, =DISK
	bl	begin
	adr	x10, disk_queue
	mov	w11, #0
	bl	queue
	mov	w0, #15
	str	w0, [x9, #0x70]
	mov	w0, #0			// VIRTIO_BLK_T_IN
	mov	w1, #2			// the device writes the data
	bl	request
	ldr	x0, data
	ldr	x1, =0x2173692074492020
	cmp	x0, x1
	b.eq	talk
	adr	x2, data
	str	x1, [x2]
	mov	w0, #1			// VIRTIO_BLK_T_OUT
	mov	w1, #0
	bl	request
	mov	w0, #4			// VIRTIO_BLK_T_FLUSH, with data that nobody looks at
	bl	request
	ldr	x0, =0x84000009		// SYSTEM_RESET
	smc	#0

talk:
	ldr	x9, =CONSOLE
	bl	begin
	adr	x10, receive_queue
	mov	w11, #0
	bl	queue
	adr	x10, transmit_queue
	mov	w11, #1
	bl	queue
	mov	w0, #15
	str	w0, [x9, #0x70]
	adr	x4, greeting
	mov	w5, #greeting_end - greeting
	bl	say
again:
	adr	x10, receive_queue
	adr	x4, typed
	mov	w5, #64
	mov	w6, #2
	mov	w11, #0
	bl	offer
	ldrb	w7, [x4]
	cmp	w7, #'q'
	b.eq	off
	bl	say
	b	again
off:
	ldr	x0, =0x84000008		// SYSTEM_OFF
	smc	#0
	b	.

say:	adr	x10, transmit_queue
	mov	w6, #0
	mov	w11, #1
	// One buffer at X4 of W5 bytes with flags W6 in queue W11 at X10, from X9's device; returns when it was used, with the length that the device wrote in W5.
offer:	str	x4, [x10]
	str	w5, [x10, #8]
	strh	w6, [x10, #12]
	ldrh	w0, [x10, #0x102]
	add	w0, w0, #1
	strh	w0, [x10, #0x102]
	str	w11, [x9, #0x50]
1:	ldrh	w1, [x10, #0x202]
	cmp	w0, w1
	b.ne	1b
	sub	w0, w0, #1
	and	w0, w0, #3
	add	x1, x10, x0, lsl #3
	ldr	w5, [x1, #0x208]
	ret

	// A request W0 of the disk with sector 2; W1: flags of the data.
request: adr	x2, header
	str	w0, [x2]
	mov	x3, #2
	str	x3, [x2, #8]
	adr	x4, disk_queue
	str	x2, [x4]
	mov	w3, #16
	str	w3, [x4, #8]
	mov	w3, #0x10001		// NEXT, 1
	str	w3, [x4, #12]
	adr	x2, data
	str	x2, [x4, #16]
	mov	w3, #512
	str	w3, [x4, #24]
	orr	w3, w1, #1
	orr	w3, w3, #0x20000
	str	w3, [x4, #28]
	adr	x2, status
	str	x2, [x4, #32]
	mov	w3, #1
	str	w3, [x4, #40]
	mov	w3, #2
	str	w3, [x4, #44]
	ldrh	w0, [x4, #0x102]
	add	w0, w0, #1
	strh	w0, [x4, #0x102]
	str	wzr, [x9, #0x50]
2:	ldrh	w1, [x4, #0x202]
	cmp	w0, w1
	b.ne	2b
	ret

	// Up to FEATURES_OK, with VIRTIO_F_VERSION_1.
begin:	str	wzr, [x9, #0x70]
	mov	w0, #3
	str	w0, [x9, #0x70]
	mov	w0, #1
	str	w0, [x9, #0x24]
	str	w0, [x9, #0x20]
	mov	w0, #11
	str	w0, [x9, #0x70]
	ret

	// Queue W11 at X10: descriptors, 0x100 behind them the available ring, 0x200 the used ring; one entry is used at a time.
queue:	str	w11, [x9, #0x30]
	mov	w0, #4
	str	w0, [x9, #0x38]
	str	w10, [x9, #0x80]
	str	wzr, [x9, #0x84]
	add	w0, w10, #0x100
	str	w0, [x9, #0x90]
	str	wzr, [x9, #0x94]
	add	w0, w10, #0x200
	str	w0, [x9, #0xa0]
	str	wzr, [x9, #0xa4]
	mov	w0, #1
	str	w0, [x9, #0x44]
	ret

greeting: .ascii "ready\\n"
greeting_end:
	.balign	16
header:	.skip	16
data:	.skip	512
status:	.skip	16
typed:	.skip	64
	.balign	4096
disk_queue: .skip 0x300
receive_queue: .skip 0x300
transmit_queue: .skip 0x300
`;
const MARK = '  It is!';

describe('disks and consoles of a session', () => {
  let client: DapClient;
  let folder: string;
  let image: string;
  let source: string;
  beforeEach(() => {
    client = new DapClient();
    folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-devices-'));
    image = path.join(folder, 'disk.img');
    source = path.join(folder, 'main.S');
    writeFileSync(image, Buffer.alloc(65536, 0x2e));
    writeFileSync(source, DRIVER);
  });
  afterEach(async () => {
    await client.close();
    rmSync(folder, { recursive: true, force: true });
    assert.equal(client.stderr, '');
  });
  const said = (): string =>
    client
      .events('output')
      .map((e) => String(e['output']))
      .join('');
  const until = async (text: string): Promise<void> => {
    while (!said().includes(text)) await client.event('output');
  };
  const type = (text: string): Promise<unknown> =>
    client.ok('worldswitch/uart', { data: Buffer.from(text).toString('base64'), port: 'hvc0' });
  const launch = (disk: unknown, more: object = {}): Promise<unknown> =>
    client.launch({
      ...{ program: source, memory: '16M', stopOnEntry: false, disk, virtio: ['console'] },
      ...more,
    });

  it('keep what is written over a reset of the guest, and forget it behind the session', async () => {
    await launch(image);
    await client.ok('configurationDone');
    await until('hvc0 | ready\n');
    assert.match(said(), /The guest has reset the machine/);
    await type('hello\n');
    await until('hvc0 | hello\n');
    await type('q');
    await client.event('terminated');
    assert.deepEqual(readFileSync(image), Buffer.alloc(65536, 0x2e));
  });

  it('write the file when that is asked for, at a flush', async () => {
    await launch([{ file: image, write: true }]);
    await client.ok('configurationDone');
    await until('hvc0 | ready\n');
    const expected = Buffer.alloc(65536, 0x2e);
    expected.write(MARK, 1024);
    assert.deepEqual(readFileSync(image), expected);
    // A restart begins with what is in the file now: the guest has nothing to write.
    await client.ok('pause', { threadId: 1 });
    await client.event('stopped');
    const before = said().length;
    await client.ok('restart');
    while (!said().slice(before).includes('hvc0 | ready\n')) await client.event('output');
    assert.doesNotMatch(said().slice(before), /has reset the machine/);
  });

  it('take a line from the Debug Console', async () => {
    await launch([image]);
    await client.ok('configurationDone');
    await until('hvc0 | ready\n');
    await client.ok('pause', { threadId: 1 });
    await client.event('stopped');
    const { stackFrames } = (await client.ok('stackTrace', { threadId: 1 })) as {
      stackFrames: { id: number }[];
    };
    const frame = { frameId: stackFrames[0]?.id, context: 'repl' };
    assert.equal(
      (await client.ok('evaluate', { expression: 'type how are you', ...frame }))?.['result'],
      'hvc0 gets "how are you" and the end of the line.',
    );
    await client.ok('continue', { threadId: 1 });
    await until('hvc0 | how are you\n');
  });

  it('name what is not there', async () => {
    await launch(image, { virtio: [], program: source });
    await client.ok('configurationDone');
    const answer = await client.refused('worldswitch/uart', { data: 'AAAA', port: 'hvc0' });
    assert.match(answer, /no console "hvc0".*"console" in "virtio"/);
  });

  it('name an image that cannot be used', async () => {
    await client.ok('initialize', { adapterID: 'worldswitch', pathFormat: 'path' });
    const missing = path.join(folder, 'none.img');
    const answer = await client.refused('launch', { program: source, disk: missing });
    assert.match(answer, /none\.img does not exist.*"disk" in launch\.json/);
  });
});
