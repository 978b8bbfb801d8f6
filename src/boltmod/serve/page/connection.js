// The connection to boltmod serve: it comes back by itself.

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 5000;
const HEAD_BYTES = 16;

export class Connection {
  constructor(handlers) {
    this.handlers = handlers;
    this.wait = FIRST_WAIT_MS;
    this.open();
  }

  open() {
    const url = new URL("live", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = (event) => this.take(event.data);
    this.socket.onclose = () => {
      this.handlers.lost(this.wait);
      setTimeout(() => this.open(), this.wait);
      this.wait = Math.min(2 * this.wait, LONGEST_WAIT_MS);
    };
  }

  take(data) {
    if (typeof data !== "string") {
      const head = new DataView(data);
      this.handlers.row({
        first: Number(head.getBigInt64(0, true)),
        utc: head.getFloat64(8, true),
        level: new Int16Array(data, HEAD_BYTES),
      });
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "hello") this.wait = FIRST_WAIT_MS;
    this.handlers[message.type]?.(message);
  }
}
