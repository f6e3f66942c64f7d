/** Writes cpio archives as the kernel unpacks them (format "newc", initramfs buffer format), without being root. */

/**
 * @typedef {object} Entry
 * @property {string} name   without a leading slash
 * @property {number} mode   file type and permissions, as stat's st_mode
 * @property {Uint8Array} [data]
 * @property {[number, number]} [device]   major and minor of a device node
 */

const pad = (/** @type {number} */ length) => Buffer.alloc((4 - (length % 4)) % 4);

/**
 * @param {Entry} entry
 * @param {number} inode
 */
function record({ name, mode, data = new Uint8Array(), device = [0, 0] }, inode) {
  const path = Buffer.from(`${name}\0`);
  // inode, mode, uid, gid, links, mtime, size, device of the file, device node, name, checksum
  const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, ...device, path.length, 0];
  const header = `070701${fields.map((n) => n.toString(16).padStart(8, '0')).join('')}`;
  return [Buffer.from(header), path, pad(header.length + path.length), data, pad(data.length)];
}

/**
 * An archive of these entries; the same entries give the same bytes.
 * @param {readonly Entry[]} entries
 */
export function cpio(entries) {
  const all = [
    ...entries.map((entry, i) => record(entry, i + 1)),
    record({ name: 'TRAILER!!!', mode: 0 }, 0),
  ];
  return Buffer.concat(all.flat());
}
