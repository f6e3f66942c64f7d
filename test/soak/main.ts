/**
 * npm run test:soak -- [minutes]      a guest that keeps making code (default 30 minutes); fails if memory grows
 */
import { SoakGuest } from './guest';
import { collector, growth, sample, type Sample } from './memory';

const DEFAULT_MINUTES = 30;
const SLICE = 2_000_000;
const SAMPLES = 60;
/** Part of the time in which caches fill. */
const WARM_UP = 0.15;

async function soak(minutes: number): Promise<number> {
  const collect = collector();
  const guest = new SoakGuest(1 << 12);
  const start = Date.now();
  const end = start + minutes * 60_000;
  const samples: Sample[] = [];
  const mib = (bytes: number): string => (bytes / (1 << 20)).toFixed(1);
  for (let due = start; Date.now() < end;) {
    guest.run(SLICE);
    await new Promise((resolve) => setImmediate(resolve));
    if (Date.now() < due) continue;
    due += (minutes * 60_000) / SAMPLES;
    const s = await sample(collect);
    if (Date.now() - start > WARM_UP * minutes * 60_000) samples.push(s);
    const { modules, regions, dropped } = guest.counts;
    console.log(
      `${Math.round((Date.now() - start) / 1000)} s: rss ${mib(s.rss)}, heap ${mib(s.heap)}, external ${mib(s.external)} MiB; ` +
        `${guest.functions} functions, ${modules} modules, ${regions} regions, ${regions - dropped} live`,
    );
  }
  const complaints = growth(samples);
  if (guest.wrong > 0) complaints.push(`${guest.wrong} functions of the guest had a wrong result`);
  if (samples.length < 3) complaints.push('too few samples: more minutes, please');
  console.log(complaints.length > 0 ? complaints.join('\n') : 'Memory is flat.');
  return complaints.length > 0 ? 1 : 0;
}

async function main(): Promise<number> {
  const minutes = Number(process.argv[2] ?? DEFAULT_MINUTES);
  if (!(minutes > 0)) {
    console.error('The argument is a number of minutes: npm run test:soak -- 30');
    return 2;
  }
  return soak(minutes);
}

void main().then((code) => (process.exitCode = code));
