// A switch between this page and the network, so that one browser window can hold one device that is online and one
// that is not. To DataStore it looks as if the device had lost its connection.
let online = true;
const sockets = new Set();
const { fetch: send, WebSocket: Socket } = window;

Object.defineProperty(navigator, 'onLine', { get: () => online, configurable: true });
window.fetch = (...request) => (online ? send(...request) : Promise.reject(new TypeError('This device is offline')));
window.WebSocket = class extends Socket {
  constructor(...address) {
    super(...address);
    sockets.add(this);
    this.addEventListener('close', () => sockets.delete(this));
  }
};

export function setOnline(next) {
  online = next;
  window.dispatchEvent(new Event(next ? 'online' : 'offline'));
  if (!next) for (const socket of sockets) socket.close();
}
