// Makes components of the plugins in this folder, or of those that are named: node build.mjs manager-wins.js
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { componentize } from '@bytecodealliance/componentize-js';

const folder = fileURLToPath(new URL('.', import.meta.url));
const named = process.argv.slice(2).map((file) => path.resolve(file));
const all = (await readdir(folder)).filter((file) => file.endsWith('.js')).map((file) => path.join(folder, file));

for (const sourcePath of named.length ? named : all) {
  const { component } = await componentize({
    sourcePath,
    witPath: path.join(folder, '../../../wit'),
    worldName: 'handler',
    // A plugin is given nothing of the world.
    disableFeatures: ['stdio', 'random', 'clocks', 'http', 'fetch-event'],
  });
  const made = sourcePath.replace(/\.js$/, '.wasm');
  await writeFile(made, component);
  console.log(path.relative('', made));
}
