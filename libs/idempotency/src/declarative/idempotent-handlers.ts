import type { OnModuleInit } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/internal';
import { MetadataScanner, type DiscoveryService } from '@nestjs/core';
import { InvalidIdempotentHandlerError } from '../errors.js';
import type { Inbox } from '../inbox.js';
import { EFFECTS, takeTransaction, type Effects } from './idempotent.decorator.js';

/** Keys under which Nest keeps what it knows of a message handler. */
const HANDLER_TYPE = 'microservices:handler_type';
const TRANSPORT = 'microservices:transport';
const EXTRAS = 'microservices:pattern_extras';
const EVENT = 2;
const JETSTREAM = Symbol.for('slipstream.jetstream');

interface Declaration {
  readonly name: string;
  readonly method: object;
  readonly takesTransaction: boolean;
  readonly effects: Effects | undefined;
}

/** Refuses to start an application that declares a handler idempotent which could not be. */
export class IdempotentHandlers implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly inbox: Inbox<unknown>,
  ) {}

  onModuleInit(): void {
    for (const declaration of this.declarations()) {
      const problem = findProblem(declaration, this.inbox);
      if (problem) throw new InvalidIdempotentHandlerError(`${declaration.name}: ${problem}`);
    }
  }

  private *declarations(): Generator<Declaration> {
    const scanner = new MetadataScanner();
    for (const { instance, metatype } of this.discovery.getControllers()) {
      if (!instance || !metatype) continue;
      const prototype = Object.getPrototypeOf(instance) as Record<string, object>;
      for (const name of scanner.getAllMethodNames(prototype)) {
        const method = prototype[name];
        if (!method) continue;
        yield {
          name: `${metatype.name}.${name}`,
          method,
          takesTransaction: takesTransaction(metatype, name),
          effects: Reflect.getMetadata(EFFECTS, method) as Effects | undefined,
        };
      }
    }
  }
}

function findProblem({ method, effects, takesTransaction: takes }: Declaration, inbox: Inbox<unknown>) {
  if (effects === undefined) {
    return takes ? "@Tx() has no transaction to give; add @Idempotent('in-transaction')" : undefined;
  }
  if (Reflect.getMetadata(HANDLER_TYPE, method) !== EVENT) {
    return '@Idempotent is for event handlers; declare it with @EventPattern or @OnEvent, or remove @Idempotent';
  }
  if (Reflect.getMetadata(TRANSPORT, method) !== JETSTREAM) {
    return '@Idempotent needs messages with ids; declare the handler with @EventPattern of @slipstream/jetstream';
  }
  return findDeliveryProblem(method) ?? findEffectsProblem(effects, takes, inbox);
}

function findDeliveryProblem(method: object): string | undefined {
  const options = (Reflect.getMetadata(EXTRAS, method) ?? {}) as { durable?: string; delivery?: string };
  if (!options.durable) return '@Idempotent counts for each durable; give the handler one';
  if (options.delivery !== 'ordered' && options.delivery !== 'broadcast') return undefined;
  return `with delivery "${options.delivery}" every process must see every message; remove @Idempotent or the delivery`;
}

function findEffectsProblem(effects: Effects, takes: boolean, inbox: Inbox<unknown>): string | undefined {
  if (effects === 'may-repeat') {
    return takes ? "@Tx() has no transaction to give; declare @Idempotent('in-transaction')" : undefined;
  }
  if (inbox.guarantee !== 'exactly-once') {
    return "only PostgresInbox has a transaction; choose it, or declare @Idempotent('may-repeat') if that is true";
  }
  return takes ? undefined : 'its effects cannot be in the transaction without it; add a parameter @Tx()';
}

function takesTransaction(metatype: object, method: string): boolean {
  const parameters = (Reflect.getMetadata(ROUTE_ARGS_METADATA, metatype, method) ?? {}) as object;
  return Object.values(parameters).some(
    (parameter: { factory?: unknown }) => parameter.factory === takeTransaction,
  );
}
