// The models Amplify's own generator made from the example schemas.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const schemaFile = (name) => fileURLToPath(new URL(`../models/${name}/schema.js`, import.meta.url));

export function modelSchema(name) {
  const text = readFileSync(schemaFile(name), 'utf8');
  return JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1));
}
