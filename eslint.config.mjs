import tseslint from 'typescript-eslint';

/**
 * The layering of ARCHITECTURE.md, written once: a folder may import only from the folders named here (and from
 * itself). test/layering.test.ts checks the same table against the whole import graph.
 */
import { forbiddenImports } from './scripts/layers.mjs';

const bigintRules = [
  {
    selector: "CallExpression[callee.name='parseInt']",
    message:
      'parseInt loses bits above 2^53: use BigInt() for addresses and register values, Number.parseInt for small counts.',
  },
];

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', '.cache/**'] },
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts', '**/*.mjs'],
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
      'no-restricted-syntax': ['error', ...bigintRules],
    },
  },
  ...forbiddenImports(),
  {
    files: ['emulator/**/*.ts'],
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        'process',
        'require',
        'Buffer',
        'setTimeout',
        'setInterval',
        'Date',
        'performance',
      ],
      'no-restricted-properties': [
        'error',
        {
          object: 'Math',
          property: 'random',
          message: 'The emulator is deterministic: seeds are launch inputs.',
        },
      ],
    },
  },
);
