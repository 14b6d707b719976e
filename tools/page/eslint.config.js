// The rules for the page's own code: the house's limits, and which room may import which.

import js from '@eslint/js';
import globals from 'globals';

const ROOMS = ['core', 'wire', 'rules', 'parts', 'menus', 'views', 'shell'];
const STATIC = 'taskdashd/web/static';

/** @param {string} one */
const said = (one) => `A ${one} does not import another ${one}.`;

/** A room imports only those before it; nobody imports the shell, which owns all lifetimes. */
const layers = ROOMS.map((room, n) => ({
  files: [`${STATIC}/${room}/**/*.js`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          ...ROOMS.slice(n + 1).map((later) => ({
            group: [`**/${later}/**`],
            message: `${room} does not know ${later}.`,
          })),
          ...(['menus', 'views'].includes(room)
            ? [{ regex: '^\\.\\./[a-z]+/', message: said(room.slice(0, -1)) }]
            : []),
        ],
      },
    ],
  },
}));

export default [
  js.configs.recommended,
  {
    files: [`${STATIC}/**/*.js`],
    languageOptions: { globals: globals.browser, sourceType: 'module', ecmaVersion: 2022 },
    rules: {
      curly: ['error', 'all'],
      eqeqeq: 'error',
      'max-len': ['error', { code: 100, ignoreUrls: true }],
      'max-lines': ['error', 400],
      'max-lines-per-function': ['error', 70],
      'no-implicit-globals': 'error',
      'no-param-reassign': 'error',
      'no-shadow': 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ExportNamedDeclaration > VariableDeclaration[kind="let"]',
          message: 'Files are joined as they are served: what is exported is not assigned again.',
        },
        {
          selector: 'ImportSpecifier[imported.name!=/./], ImportDefaultSpecifier',
          message: 'Import by name.',
        },
      ],
      'no-unused-expressions': ['error', { allowTernary: true, allowShortCircuit: true }],
    },
  },
  ...layers,
  {
    files: ['tests/web/page/**/*.js', 'tools/page/*.js'],
    languageOptions: { globals: globals.node, sourceType: 'module', ecmaVersion: 2022 },
    rules: { 'max-len': ['error', { code: 100 }], 'max-lines': ['error', 400] },
  },
];
