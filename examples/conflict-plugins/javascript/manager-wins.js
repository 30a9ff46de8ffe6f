// Managers win: what somebody of the group `managers` sends is stored as it came, deletes included. Everybody else's
// stale edits are merged as AppSync does, and their stale deletes are refused.

import { config } from 'driftless:conflict/host@1.0.0';

export const init = () => 1;

export function resolve(conflict) {
  const managers = config('group') ?? 'managers';
  const groups = conflict.identity === undefined ? [] : JSON.parse(conflict.identity).groups ?? [];
  return { tag: groups.includes(managers) ? 'accept' : 'automerge' };
}
