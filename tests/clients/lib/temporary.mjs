// Directories that vanish with the test process.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

// A test run that is stopped ends its servers and removes its directories too.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** A fresh directory that other users may enter (Postgres runs as one). */
export function temporaryDirectory(name) {
  const directory = mkdtempSync(path.join(os.tmpdir(), `driftless-${name}-`));
  chmodSync(directory, 0o755);
  process.on('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }));
  return directory;
}
