// Starts `driftless dev` on this folder's schema and the page beside it. Ctrl-C ends both.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';
import { serve } from './serve.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const built = fileURLToPath(new URL('../../target/debug/driftless', import.meta.url));
const driftless = process.env.DRIFTLESS_BIN ?? (existsSync(built) ? built : 'driftless');

const backend = spawn(driftless, ['dev', 'schema.graphql', '--json'], { cwd: here, stdio: ['ignore', 'pipe', 'inherit'] });
backend.on('error', () => {
  console.error('driftless was not found: run `cargo build -p driftless` first, or set DRIFTLESS_BIN');
  process.exit(1);
});
backend.on('exit', (code) => process.exit(code ?? 0));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => backend.kill(signal));

readline.createInterface({ input: backend.stdout }).once('line', async (line) => {
  const ready = JSON.parse(line);
  const page = await serve({ endpoint: ready.http_endpoint, secure: ready.endpoint, apiKey: ready.api_key }, [5173, 5174]);
  console.log(`\n  two devices  ${page.url}\n  driftless    ${ready.endpoint}\n`);
});
