// IndexedDB for Node, kept in a file between processes: what survives a restart of an application on a real device.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';

const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function storeImage(store) {
  const [keys, values] = await Promise.all([settled(store.getAllKeys()), settled(store.getAll())]);
  const indexes = [...store.indexNames].map((name) => {
    const { keyPath, unique, multiEntry } = store.index(name);
    return { name, keyPath, options: { unique, multiEntry } };
  });
  const { name, keyPath, autoIncrement } = store;
  return { name, options: { keyPath, autoIncrement }, indexes, rows: keys.map((key, at) => [key, values[at]]) };
}

async function databaseImage(indexedDB, name) {
  const database = await settled(indexedDB.open(name));
  const stores = [];
  for (const storeName of database.objectStoreNames) {
    stores.push(await storeImage(database.transaction(storeName).objectStore(storeName)));
  }
  const { version } = database;
  database.close();
  return { name, version, stores };
}

function fill(database, stores) {
  for (const { name, options, indexes, rows } of stores) {
    const store = database.createObjectStore(name, options);
    for (const index of indexes) store.createIndex(index.name, index.keyPath, index.options);
    for (const [key, value] of rows) store.put(value, options.keyPath === null ? key : undefined);
  }
}

/** Writes all databases to `file`, whole or not at all. */
export async function keep(indexedDB, file) {
  const images = [];
  for (const { name } of await indexedDB.databases()) images.push(await databaseImage(indexedDB, name));
  writeFileSync(`${file}.new`, serialize(images));
  renameSync(`${file}.new`, file);
}

/** Brings back what `keep` wrote, if it did. */
export async function restore(indexedDB, file) {
  if (!existsSync(file)) return;
  for (const { name, version, stores } of deserialize(readFileSync(file))) {
    const opening = indexedDB.open(name, version);
    opening.onupgradeneeded = () => fill(opening.result, stores);
    (await settled(opening)).close();
  }
}
