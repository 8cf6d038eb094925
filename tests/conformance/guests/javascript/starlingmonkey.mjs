// Builds the guest of the conformance suite on StarlingMonkey, with componentize-js:
//   node starlingmonkey.mjs FOLDER-WITH-node_modules GUEST-SDK CONFORMANCE OUTPUT
import { cpSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, sdk, suite, output] = process.argv.slice(2).map((path) => resolve(path));
const found = join(modules, 'node_modules/@bytecodealliance/componentize-js/src/componentize.js');
const { componentize } = await import(pathToFileURL(found));

const work = mkdtempSync(join(tmpdir(), 'starlingmonkey-'));
const wit = join(work, 'wit');
for (const folder of [join(sdk, 'wit'), join(suite, 'wit')]) {
  for (const file of readdirSync(folder)) cpSync(join(folder, file), join(wit, file));
}
cpSync(join(sdk, 'javascript'), join(work, 'sdk'), { recursive: true });
cpSync(join(suite, 'guests/javascript/plugin.js'), join(work, 'plugin.js'));
const entry = join(work, 'entry.js');
writeFileSync(
  entry,
  `import { log } from 'trocar:plugin/log@0.1.0';
import * as plugin from './plugin.js';
import * as guest from './sdk/guest.js';

export const strategy = guest.strategy(plugin, { log });
export const policy = guest.policy(plugin, { log });
`,
);
const { component } = await componentize({
  sourcePath: entry,
  witPath: wit,
  worldName: 'conformance',
  disableFeatures: ['random', 'stdio', 'clocks', 'http', 'fetch-event'],
});
writeFileSync(output, component);
