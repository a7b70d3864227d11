// WebSocket messages that never end, and more frames than anybody needs.
import { setTimeout as sleep } from "node:timers/promises";
import { flood, frame, frameHead, rawWebSocket, repeat, send } from "./client.mjs";

const SOCKETS = 490;
const SIZE = 1_048_000;
const TEXT = 1;
const CONTINUATION = 0;
const PING = 9;
const INIT = frame(TEXT, true, Buffer.from('{"type":"connection_init"}'));

async function each({ origin, tally, hold }, init, run, sockets = SOCKETS) {
  await Promise.all(repeat(sockets, async () => {
    const socket = await rawWebSocket(origin);
    socket.on("close", () => tally.add("closed"));
    if (init) await send(socket, INIT);
    await run(socket);
  }));
  await sleep(hold);
}

// One frame of which all but the end is sent.
const unfinishedFrame = (socket) => send(socket, Buffer.concat([frameHead(TEXT, true, SIZE + 1), Buffer.alloc(SIZE, "a")]));
// Frames of so many bytes of one message.
const fragments = (size) => {
  const rest = Buffer.concat(repeat(Math.floor(SIZE / size) - 1, () => frame(CONTINUATION, false, Buffer.alloc(size, "a"))));
  const first = frame(TEXT, false, Buffer.alloc(size, "a"));
  return (socket) => send(socket, Buffer.concat([first, rest]), 15_000);
};
// Empty frames add nothing to the message, so its limit is never reached.
const emptyFragments = async (socket) => {
  const part = Buffer.concat(repeat(1_000, () => frame(CONTINUATION, false, Buffer.alloc(0))));
  await send(socket, frame(TEXT, false, Buffer.alloc(0)));
  await flood(socket, 3_000, () => part);
};
// The server answers each ping, and nobody reads that.
const pings = async (socket) => {
  socket.pause();
  const part = Buffer.concat(repeat(100, () => frame(PING, true, Buffer.alloc(125))));
  await flood(socket, 3_000, () => part);
};
// Frames that say how long they are, and then send nothing.
const heads = (length) => (socket) => send(socket, frameHead(TEXT, true, length));

const attack = (name, run) => ({ name: `messages: ${name}`, shape: "small", run });

export default [
  attack("490 of 1 MiB in one unfinished frame", (on) => each(on, true, unfinishedFrame)),
  attack("490 of 1 MiB in one unfinished frame, before connection_init", (on) => each(on, false, unfinishedFrame)),
  attack("490 of 1 MiB in fragments of 8 KiB", (on) => each(on, true, fragments(8_192))),
  attack("100 of 1 MiB in fragments of 8 bytes", (on) => each(on, true, fragments(8), 100)),
  attack("20 of empty fragments", (on) => each(on, true, emptyFragments, 20)),
  attack("20 of pings, whose pongs nobody reads", (on) => each(on, true, pings, 20)),
  attack("490 heads of frames of 1 MiB", (on) => each(on, true, heads(SIZE))),
  attack("490 heads of frames of 1 EiB", (on) => each(on, true, heads(2 ** 60))),
];
