import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { Injectable, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyAdapter } from '@nestjs/platform-fastify';
import { ProblemException } from '@slipstream/bootstrap';
import { Tracing } from '@slipstream/observability';
import { MAX_AMOUNT_MINOR, type ChargeRequestDto } from './charge.dto.js';
import { USABLE_KEY } from './charges.controller.js';
import { ChargesService } from './charges.service.js';
import { Faults } from './faults.js';

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** The last digit of `traceparent` is odd (W3C Trace Context). */
const SAMPLED = /[13579bdf]$/;
/** A plain charge is far smaller. */
const MAX_BODY_BYTES = 1_024;

/**
 * Answers plain, valid charges ahead of the framework, whose routing, logging and validation take several times as long
 * as the charge. Whatever is out of the ordinary (a fault, a bad request, a key in use, a shutdown, a trace that is
 * recorded) takes the ordinary way, so that there is one place that says how it is answered.
 */
@Injectable()
export class ChargeLane implements OnModuleInit, BeforeApplicationShutdown {
  private isOpen = true;

  constructor(
    private readonly host: HttpAdapterHost<FastifyAdapter>,
    private readonly charges: ChargesService,
    private readonly faults: Faults,
    private readonly tracing: Tracing,
  ) {}

  onModuleInit(): void {
    const { server } = this.host.httpAdapter.getInstance();
    const ordinary = server.listeners('request') as Listener[];
    server.removeAllListeners('request');
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const key = request.headers['idempotency-key'];
      if (typeof key === 'string' && this.isPlain(request, key)) this.receive(request, response, key);
      else for (const listener of ordinary) listener(request, response);
    });
  }

  beforeApplicationShutdown(): void {
    this.isOpen = false;
  }

  private isPlain({ method, url, headers }: IncomingMessage, key: string): boolean {
    return (
      method === 'POST' &&
      url === '/charges' &&
      this.isOpen &&
      this.faults.settings().mode === 'ok' &&
      !(this.tracing.isOn && SAMPLED.test(String(headers['traceparent']))) &&
      headers['content-type'] === 'application/json' &&
      Number(headers['content-length']) <= MAX_BODY_BYTES &&
      USABLE_KEY.test(key)
    );
  }

  private receive(request: IncomingMessage, response: ServerResponse, key: string): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => void this.answer(request, response, { key, body: Buffer.concat(chunks) }));
  }

  private async answer(
    { headers }: IncomingMessage,
    response: ServerResponse,
    { key, body }: { key: string; body: Buffer },
  ): Promise<void> {
    try {
      const { effect, replayed } = await this.charges.charge(key, parse(body), 'ok');
      this.send(response, replayed ? 200 : 201, JSON.stringify(effect));
    } catch {
      await this.passOn(response, headers, body).catch(() => this.sendAway(response));
    }
  }

  private async passOn(
    response: ServerResponse,
    headers: IncomingHttpHeaders,
    payload: Buffer,
  ): Promise<void> {
    const instance = this.host.httpAdapter.getInstance();
    const answer = await instance.inject({ method: 'POST', url: '/charges', headers, payload });
    for (const [name, value] of Object.entries(answer.headers)) {
      if (value !== undefined) response.setHeader(name, value);
    }
    this.send(response, answer.statusCode, answer.body);
  }

  /** The framework takes nothing more while it stops, and an answer that never came would hold the stop up. */
  private sendAway(response: ServerResponse): void {
    const { problem } = new ProblemException(503, { detail: 'The gateway is shutting down.' });
    response.setHeader('content-type', 'application/problem+json; charset=utf-8');
    this.send(response, problem.status, JSON.stringify(problem));
  }

  private send(response: ServerResponse, status: number, body: string): void {
    response.setHeader('content-length', Buffer.byteLength(body));
    if (!response.hasHeader('content-type')) {
      response.setHeader('content-type', 'application/json; charset=utf-8');
    }
    // Kept alive, a connection whose request was in flight would hold up the shutdown.
    if (!this.isOpen) response.setHeader('connection', 'close');
    response.writeHead(status).end(body);
  }
}

/** @throws Error when it is no valid charge; the ordinary way says what is wrong with it */
function parse(body: Buffer): ChargeRequestDto {
  const charge = JSON.parse(body.toString()) as Record<string, unknown>;
  const { orderId, amountMinor, currency, ...others } = charge;
  const isValid =
    typeof orderId === 'string' &&
    orderId.length >= 1 &&
    orderId.length <= 128 &&
    Number.isInteger(amountMinor) &&
    Number(amountMinor) >= 1 &&
    Number(amountMinor) <= MAX_AMOUNT_MINOR &&
    typeof currency === 'string' &&
    /^[A-Z]{3}$/.test(currency) &&
    Object.keys(others).length === 0;
  if (!isValid) throw new Error('not a plain charge');
  return { orderId, amountMinor: Number(amountMinor), currency };
}
