// Requests and answers of the NkMEDIA protocol, which go both ways.

import { Socket, Trouble, randomHex } from "./wire.js";

const PATIENCE = 10000; // ms until an answer is given up
const LONGER = 180000; // ms once the server has said that it takes longer

// What the numbers of errors mean that something is done about.
export const codes = {
  stopped: 100011, unauthorized: 100030, invalidOperation: 100040, noServer: 300001,
  noConference: 304001, exists: 304002, destroyed: 304003, publisherStopped: 304006,
};

// Refusal is an error that the server answers.
export class Refusal extends Error {
  constructor({ code, error }) {
    super(error);
    this.number = code;
  }
}

export const sessionID = () => "session-" + randomHex(16).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");

// Calls is one connection.
export class Calls {
  static async open(url, frames) {
    const c = new Calls();
    c.tid = 1000; // as the browser client does
    c.waiting = new Map(); // tid → {ack, answer, end}
    c.onevent = () => {};
    c.onclosed = () => {};
    c.socket = await Socket.open(url, [], frames);
    c.socket.onmessage = (m) => c.#take(m);
    c.socket.onclose = () => {
      c.#end();
      c.onclosed();
    };
    return c;
  }

  #take(m) {
    if (m.cmd !== undefined) {
      // Whatever it is: who does not answer in five seconds is thrown out.
      this.socket.send({ result: "ok", tid: m.tid });
      if (m.class === "core" && m.cmd === "event" && m.data) this.onevent(m.data);
    } else if (m.ack !== undefined) {
      this.waiting.get(m.ack)?.ack();
    } else {
      this.waiting.get(m.tid)?.answer(m);
    }
  }

  // request sends class/subclass/cmd and resolves with the data of the answer.
  // onlong is called if that takes long, and as often as the server says so.
  request(what, data, onlong = () => {}) {
    const [sort, subclass, cmd] = what.split("/");
    const tid = ++this.tid;
    return new Promise((resolve, reject) => {
      let timer;
      const end = (f, x) => {
        clearTimeout(timer);
        this.waiting.delete(tid);
        f(x);
      };
      const silence = () => end(reject, new Trouble("unreachable", `The server did not answer ${what}.`));
      timer = setTimeout(silence, PATIENCE);
      this.waiting.set(tid, {
        ack: () => {
          clearTimeout(timer);
          timer = setTimeout(silence, LONGER);
          onlong();
        },
        answer: (m) => (m.result === "ok" ? end(resolve, m.data || {}) : end(reject, new Refusal(m.data))),
        end: () => end(reject, new Trouble("unreachable", "The server closed the connection.")),
      });
      this.socket.send({ class: sort, subclass, cmd, data, tid });
    });
  }

  #end() { for (const w of [...this.waiting.values()]) w.end(); }

  close() {
    this.socket.close();
    this.#end();
  }
}
