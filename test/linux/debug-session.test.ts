import { cachedDebian } from '../../scripts/debian.mjs';
import { debugKvm } from './debug-session';

describe('KVM in a stock kernel, without debug packages', function () {
  this.timeout(300_000);
  for (const { name, options } of [
    {
      name: 'nVHE, to the end of the guest',
      options: { cpu: 'cortex-a57', append: 'nokaslr', entries: 100, toTheEnd: true },
    },
    {
      name: 'VHE with KASLR',
      options: { cpu: 'cortex-a76', append: '', entries: 10, toTheEnd: false },
    },
  ])
    it(`is debugged from the first trap on: ${name}`, async function () {
      // `npm test` fetches the kernel; scripts/debian.mjs does it for a single spec.
      const guest = cachedDebian();
      if (!guest) return this.skip();
      await debugKvm(guest, options);
    });
});
