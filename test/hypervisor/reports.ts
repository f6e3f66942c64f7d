/** What payloads report (guests/protocol.inc, GUEST_FN_REPORT): lines such as `vm 1 vcpu 0: report 0xf0 0x12`. */
export function reports(uart: string, tag: number): Map<string, string> {
  const pattern = /^vm (\d+) vcpu (\d+): report 0x([0-9a-f]+) 0x([0-9a-f]+)\r?$/gm;
  return new Map(
    [...uart.matchAll(pattern)]
      .filter((m) => Number.parseInt(m[3] ?? '', 16) === tag)
      .map((m) => [`${m[1]}.${m[2]}`, m[4] ?? '']),
  );
}
