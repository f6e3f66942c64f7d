/**
 * npm run test:kvm             the whole debug session of debug-session.ts in each mode of KVM
 * npm run test:kvm -- vhe      only the rows whose name contains this
 */
import { installDebian } from '../../scripts/debian.mjs';
import { debugKvm, type SessionOptions } from './debug-session';

const row = (
  name: string,
  cpu: string,
  append: string,
  more: Partial<SessionOptions> = {},
): SessionOptions & { readonly name: string } => ({
  ...{ name, cpu, append, entries: 100, toTheEnd: true },
  ...more,
});

const rows = [
  row('nvhe', 'cortex-a57', 'nokaslr'),
  row('nvhe, GICv2', 'cortex-a57', 'nokaslr', { gic: 2 }),
  row('nvhe kaslr', 'cortex-a57', ''),
  row('nvhe on a76, smp 2', 'cortex-a76', 'nokaslr kvm-arm.mode=nvhe', { smp: 2 }),
  row('vhe', 'cortex-a76', 'nokaslr'),
  row('vhe kaslr', 'cortex-a76', ''),
  row('vhe smp 2', 'cortex-a76', 'nokaslr', { smp: 2 }),
  row('protected', 'cortex-a57', 'nokaslr kvm-arm.mode=protected'),
  row('protected on a76, kaslr', 'cortex-a76', 'kvm-arm.mode=protected'),
];

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  const chosen = rows.filter(({ name }) => words.length === 0 || words.some((w) => name.includes(w)));
  if (chosen.length === 0) throw new Error(`No row has this name: ${rows.map((r) => r.name).join(', ')}.`);
  const guest = installDebian();
  let failed = 0;
  for (const { name, ...options } of chosen)
    try {
      await debugKvm(guest, options);
      console.log(`ok   ${name}`);
    } catch (error) {
      failed++;
      console.log(`FAIL ${name}\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  console.log(`${chosen.length - failed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}

void main();
