// Watches the line between the client and the server, and can cut it.
// The client's traffic passes through unchanged; only what the server sent is written down.

const fieldOf = (document) => /\{\s*(\w+)/.exec(document)?.[1] ?? '';

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export class Wire {
  /** Every answer, event and socket the client saw, oldest first. */
  entries = [];
  #listeners = new Set();
  #sockets = new Set();
  #cut = false;
  #holding = false;
  #held = [];
  #startsHeld;

  /** Puts itself between the client library and the network of `scope` (window or globalThis). */
  constructor(scope, WebSocket = scope.WebSocket) {
    const fetch = scope.fetch.bind(scope);
    scope.fetch = (url, init) => this.#fetch(fetch, url, init);
    scope.WebSocket = this.#watchedSocket(WebSocket);
  }

  onEntry(listener) {
    this.#listeners.add(listener);
  }

  /** Pulls the plug: open sockets die, requests fail, answers under way are lost. */
  cut() {
    this.#cut = true;
    for (const socket of this.#sockets) (socket.terminate ?? socket.close).call(socket);
  }

  mend() {
    this.#cut = false;
  }

  /** From now on answers arrive (and are recorded) but do not reach the client until they are let through. */
  hold() {
    this.#holding = true;
  }

  /** Lets the oldest held answer through. */
  letThrough() {
    this.#held.shift()?.();
  }

  release() {
    this.#holding = false;
    for (const pass of this.#held.splice(0)) pass();
  }

  /** From now on the client's subscriptions do not leave the device until they are released. */
  holdStarts() {
    this.#startsHeld = [];
  }

  releaseStarts() {
    const held = this.#startsHeld ?? [];
    this.#startsHeld = undefined;
    for (const pass of held) pass();
  }

  #record(entry) {
    this.entries.push(entry);
    for (const listener of this.#listeners) listener();
  }

  #failWhenCut() {
    if (this.#cut) throw new TypeError('fetch failed');
  }

  async #fetch(fetch, url, init) {
    this.#failWhenCut();
    const request = typeof init?.body === 'string' ? parsed(init.body) : undefined;
    const asked = performance.now();
    const response = await fetch(url, init);
    if (!request?.query) return response;
    const body = parsed(await response.clone().text());
    this.#failWhenCut();
    const op = fieldOf(request.query);
    this.#record({
      kind: 'answer',
      op,
      variables: request.variables,
      status: response.status,
      data: body?.data?.[op] ?? null,
      errors: body?.errors ?? [],
      took: performance.now() - asked,
    });
    if (this.#holding) await new Promise((pass) => this.#held.push(pass));
    return response;
  }

  #watchedSocket(WebSocket) {
    const wire = this;
    return class extends WebSocket {
      constructor(url, protocols) {
        if (wire.#cut) url = 'wss://localhost:9/cut';
        super(url, protocols);
        wire.#watch(this, url);
      }

      send(text, ...rest) {
        const frame = parsed(text);
        if (frame?.type === 'start' && wire.#startsHeld) return void wire.#startsHeld.push(() => this.send(text, ...rest));
        wire.#sent(frame);
        return super.send(text, ...rest);
      }
    };
  }

  #watch(socket, url) {
    this.#sockets.add(socket);
    socket.addEventListener('open', () => this.#record({ kind: 'socket', url, state: 'open' }));
    socket.addEventListener('close', ({ code }) => {
      this.#sockets.delete(socket);
      this.#record({ kind: 'socket', url, state: 'closed', code });
    });
    socket.addEventListener('message', ({ data }) => this.#received(parsed(data)));
  }

  #sent(frame) {
    if (frame?.type !== 'start') return;
    const { query, variables } = JSON.parse(frame.payload.data);
    this.#record({ kind: 'subscribe', op: fieldOf(query), variables });
  }

  #received(frame) {
    if (frame?.type === 'data') {
      for (const [op, data] of Object.entries(frame.payload.data ?? {})) {
        this.#record({ kind: 'event', op, data, errors: frame.payload.errors ?? [] });
      }
    } else if (frame && frame.type !== 'ka') {
      this.#record({ kind: 'frame', type: frame.type, payload: frame.payload });
    }
  }
}
