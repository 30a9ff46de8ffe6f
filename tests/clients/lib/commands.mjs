// Gives a device host (process or page) the commands of `device/device.mjs` as methods of its own.

const COMMANDS = [
  'start', 'stop', 'clear', 'signIn',
  'save', 'saveAll', 'update', 'delete', 'get', 'list', 'related', 'dump',
  'sees', 'misses', 'counts', 'uploaded', 'queued', 'received', 'subscribed',
  'outbox', 'history', 'wire', 'mark', 'hold', 'letThrough', 'release',
  'holdStarts', 'releaseStarts', 'told', 'answered', 'gaveUp', 'conflicts', 'errors',
];

export function withCommands(host) {
  for (const command of COMMANDS) host[command] = (...args) => host.send(command, args);
  return host;
}
