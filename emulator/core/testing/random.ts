/** Random numbers for specs: seeded, so that a failure can be had again. */

/** A generator of numbers in [0, 1) (mulberry32). */
export function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The seed in the environment variable SEED, or one of today's. */
export function seedFromEnv(): number {
  const given = process.env['SEED'];
  return given ? Number(given) : Math.floor(Math.random() * 2 ** 31);
}
