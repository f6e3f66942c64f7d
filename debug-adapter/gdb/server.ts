/** The server: one gdb at a time over TCP, on this machine only. */
import net from 'node:net';
import type { Control } from '../control';
import { ErrorId, UserError } from '../errors';
import { GdbClient, type GdbHooks } from './client';
import { answer } from './commands';
import { packet, PacketReader } from './packets';

const HOST = '127.0.0.1';
const BUSY =
  'Another gdb is attached to this machine, and there can be one at a time: detach it, then attach again.';

/** A socket that packets go through. */
class Wire {
  private last = '';
  private readonly reader: PacketReader;
  onPacket: (data: string) => void = () => undefined;
  onInterrupt: () => void = () => undefined;

  constructor(private readonly socket: net.Socket) {
    socket.setNoDelay(true);
    // What goes wrong with a connection ends it: "close" follows.
    socket.on('error', () => undefined);
    this.reader = new PacketReader({
      packet: (data) => this.onPacket(data),
      interrupt: () => this.onInterrupt(),
      acknowledge: (mark) => this.write(mark),
      resend: () => this.write(this.last),
    });
    socket.on('data', (bytes) => this.reader.push(bytes));
  }

  send(data: string): void {
    this.last = packet(data);
    this.write(this.last);
  }

  stopAcknowledging(): void {
    this.reader.noAcks = true;
  }

  close(): void {
    this.socket.end();
  }

  private write(text: string): void {
    if (this.socket.writable) this.socket.write(text, 'latin1');
  }
}

export class GdbServer {
  private readonly server = net.createServer((socket) => this.accept(socket));
  private readonly sockets = new Set<net.Socket>();
  /** Those who came before the session was ready. */
  private early: net.Socket[] = [];
  private isOpen = false;
  private client: GdbClient | undefined;

  private constructor(
    private readonly control: Control,
    private readonly hooks: GdbHooks,
  ) {}

  /** Listens at a port; 0 takes any that is free. @throws UserError when that is not possible */
  static async listen(port: number, control: Control, hooks: GdbHooks): Promise<GdbServer> {
    const made = new GdbServer(control, hooks);
    await made.start(port);
    return made;
  }

  private start(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', (error: NodeJS.ErrnoException) => {
        const why = error.code === 'EADDRINUSE' ? 'another program listens there' : error.message;
        const text = `The port ${port} of "gdbServer" cannot be used (${why}): choose another one, or 0 for any that is free.`;
        reject(new UserError(text, ErrorId.launch, true));
      });
      this.server.listen(port, HOST, () => {
        this.server.on('error', () => undefined);
        resolve();
      });
    });
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  /** A gdb is there. */
  get isAttached(): boolean {
    return this.client !== undefined;
  }

  /** What a user types in gdb. */
  get command(): string {
    return `target remote ${HOST}:${this.port}`;
  }

  /** Begins to serve: the guest runs, or stands at its first stop. */
  open(): void {
    this.isOpen = true;
    for (const socket of this.early.splice(0)) this.serve(socket);
  }

  /** The session is over. */
  close(): void {
    this.server.close();
    this.client?.ended();
    for (const socket of this.sockets) socket.destroySoon();
  }

  private accept(socket: net.Socket): void {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    if (this.isOpen) return this.serve(socket);
    socket.on('error', () => undefined);
    socket.pause();
    this.early.push(socket);
  }

  private serve(socket: net.Socket): void {
    if (socket.destroyed) return;
    const wire = new Wire(socket);
    if (this.client) {
      this.hooks.message('A second gdb was refused: there can be one at a time.');
      wire.onPacket = () => {
        wire.send(`E.${BUSY}`);
        wire.close();
      };
    } else this.attach(socket, wire);
    socket.resume();
  }

  private attach(socket: net.Socket, wire: Wire): void {
    const client = new GdbClient(this.control, this.hooks, wire, answer);
    this.client = client;
    wire.onPacket = (data) => client.receive(data);
    wire.onInterrupt = () => client.interrupt();
    this.hooks.message('gdb has attached.');
    socket.on('close', () => {
      client.detach();
      this.client = undefined;
      this.hooks.message('gdb has detached.');
      this.hooks.detached?.();
    });
  }
}
