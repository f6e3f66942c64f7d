/**
 * Who may import whom. Keys and values are folder prefixes; a folder may always import from itself.
 * One table serves the linter and the layering test.
 * @type {Record<string, readonly string[]>}
 */
export const layers = {
  'emulator/ir': [],
  'emulator/isa': ['emulator/ir'],
  'emulator/codegen': ['emulator/ir', 'emulator/isa'],
  'emulator/asm': ['emulator/ir', 'emulator/isa'],
  'emulator/core': ['emulator/ir', 'emulator/isa', 'emulator/codegen'],
  'emulator/dev': ['emulator/ir', 'emulator/isa', 'emulator/codegen', 'emulator/core'],
  'emulator/board': ['emulator/ir', 'emulator/isa', 'emulator/codegen', 'emulator/core', 'emulator/dev'],
  'debug-adapter': ['emulator'],
  'extension/language-server': ['emulator/asm', 'emulator/isa', 'emulator/ir'],
};

/** ESLint flat-config entries that forbid every import which `layers` does not allow. */
export function forbiddenImports() {
  const folders = [...Object.keys(layers), 'extension', 'test', 'hypervisor'];
  return Object.entries(layers).map(([folder, allowed]) => ({
    files: [`${folder}/**/*.ts`],
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            ...(folder.startsWith('emulator')
              ? [{ group: ['node:*'], message: 'The emulator runs in Node, a worker and a browser alike.' }]
              : []),
            ...(folder.startsWith('extension')
              ? []
              : [{ group: ['vscode'], message: 'Only extension/ may use the vscode API.' }]),
            ...folders
              .filter(
                (f) =>
                  f !== folder &&
                  !folder.startsWith(`${f}/`) &&
                  !allowed.some((a) => f === a || f.startsWith(`${a}/`)),
              )
              .map((f) => ({
                group: [
                  `**/${f
                    .split('/')
                    .slice(folder.startsWith('emulator') && f.startsWith('emulator') ? 1 : 0)
                    .join('/')}/**`,
                ],
                message: `${folder} may not import ${f}.`,
              })),
          ],
        },
      ],
    },
  }));
}
