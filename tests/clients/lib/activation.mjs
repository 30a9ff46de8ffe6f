// What systemd does for a service with a socket: it opens the port once and hands it to every process that it starts.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import readline from 'node:readline';

const HOLDER = String.raw`
use strict; use IO::Socket::INET; use POSIX ();
$^F = 255; $| = 1;
my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1024) or die "no port: $!";
POSIX::dup2(fileno($socket), 3) or die "no descriptor 3: $!";
print $socket->sockport, "\n";
while (<STDIN>) {
  chomp; my ($order, $signal) = split / /;
  if ($order eq 'start') {
    defined(my $child = fork) or die "no child: $!";
    if (!$child) {
      open STDIN, '<', '/dev/null';
      $ENV{LISTEN_FDS} = 1; $ENV{LISTEN_PID} = $$;
      exec @ARGV or die "cannot start @ARGV: $!";
    }
    $main::child = $child;
  } else {
    if ($main::child) { kill $signal, $main::child; waitpid $main::child, 0; undef $main::child; }
    print "ended\n";
  }
}
kill 'KILL', $main::child if $main::child;
`;

export class Activation {
  #holder;
  #lines;

  /** Opens a port for a command. */
  static async of(command, args, options) {
    const activation = new Activation();
    activation.#holder = spawn('perl', ['-e', HOLDER, command, ...args], { ...options, stdio: 'pipe' });
    activation.stderr = activation.#holder.stderr;
    process.prependListener('exit', () => activation.#holder.stdin.end());
    activation.#lines = readline.createInterface({ input: activation.#holder.stdout })[Symbol.asyncIterator]();
    activation.port = Number(await activation.#line());
    return activation;
  }

  /** Starts the command; tells the first thing it says. */
  async start() {
    this.#holder.stdin.write('start\n');
    return this.#line();
  }

  async end(signal) {
    this.#holder.stdin.write(`end ${signal}\n`);
    while ((await this.#line()) !== 'ended');
  }

  /** Waits until somebody stands in the queue of the port. */
  async waiting() {
    const local = `0100007F:${this.port.toString(16).toUpperCase().padStart(4, '0')}`;
    for (;;) {
      const listener = readFileSync('/proc/net/tcp', 'utf8').split('\n').map((line) => line.trim().split(/\s+/));
      const found = listener.find(([, address, , state]) => address === local && state === '0A');
      if (found && parseInt(found[4].split(':')[1], 16) > 0) return;
      await new Promise((wake) => setTimeout(wake, 20));
    }
  }

  async close() {
    const ended = once(this.#holder, 'exit');
    this.#holder.stdin.end();
    await ended;
  }

  async #line() {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the holder of the port ended');
    return value;
  }
}
