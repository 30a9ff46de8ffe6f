// The last writer wins, field by field: what the client changed since the version it saw is stored, whoever else changed
// it, and what it did not change stays as the others left it.

export const init = () => 1;

export function resolve(conflict) {
  if (conflict.operation === 'delete') return { tag: 'accept' };
  const base = conflict.baseItem === undefined ? {} : JSON.parse(conflict.baseItem);
  const incoming = JSON.parse(conflict.incoming);
  const changed = ([name, value]) => JSON.stringify(value) !== JSON.stringify(base[name]);
  const set = Object.fromEntries(Object.entries(incoming).filter(changed));
  const unset = conflict.removed.filter((name) => base[name] !== undefined && base[name] !== null);
  return { tag: 'merge', val: { set: JSON.stringify(set), unset } };
}
