import type { INestApplicationContext } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';

/** Title and description of an HTTP API. */
export interface ApiDescription {
  readonly title: string;
  readonly description: string;
  /** Version of the API. @default '1' */
  readonly version?: string;
  /** AsyncAPI document of the messages the app takes and sends; served at `/docs/asyncapi.json`. */
  readonly asyncApi?: object;
}

const PROBLEM_SCHEMA = {
  type: 'object',
  required: ['type', 'title', 'status'],
  properties: {
    type: { type: 'string', format: 'uri-reference', example: 'about:blank' },
    title: { type: 'string', example: 'Bad Request' },
    status: { type: 'integer', example: 400 },
    detail: { type: 'string' },
    instance: { type: 'string', format: 'uri-reference' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['field', 'reason'],
        properties: {
          field: { type: 'string', example: 'lines[0].quantity' },
          reason: { type: 'string', example: 'quantity must not be less than 1' },
        },
      },
    },
  },
};

const ASYNC_API_PATH = '/docs/asyncapi.json';
const METHODS = ['get', 'put', 'post', 'delete', 'patch'] as const;

/** Serves the OpenAPI pages at `/docs`, the document at `/docs/json`, and the AsyncAPI document beside it. */
export function serveApiDocument(app: NestFastifyApplication, api: ApiDescription): void {
  const document = createApiDocument(app, api);
  SwaggerModule.setup('docs', app, document, { jsonDocumentUrl: 'docs/json', yamlDocumentUrl: 'docs/yaml' });
  if (api.asyncApi === undefined) return;
  const { asyncApi } = api;
  app
    .getHttpAdapter()
    .getInstance()
    .get(ASYNC_API_PATH, (_request, reply) => void reply.send(asyncApi));
}

/** The OpenAPI document of an app, which need not be running: `preview: true` is enough. */
export function createApiDocument(app: INestApplicationContext, api: ApiDescription): OpenAPIObject {
  const base = new DocumentBuilder()
    .setTitle(api.title)
    .setDescription(api.description)
    .setVersion(api.version ?? '1');
  if (api.asyncApi !== undefined) base.setExternalDoc('Its messages, as AsyncAPI', ASYNC_API_PATH);
  return addProblems(SwaggerModule.createDocument(app as NestFastifyApplication, base.build()));
}

function addProblems(document: OpenAPIObject): OpenAPIObject {
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, ProblemDetails: PROBLEM_SCHEMA },
  };
  const content = {
    'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemDetails' } },
  };
  for (const path of Object.values(document.paths)) {
    for (const method of METHODS) {
      const operation = path[method];
      if (operation === undefined) continue;
      for (const [status, response] of Object.entries(operation.responses)) {
        if (Number(status) >= 400 && response && !('$ref' in response)) response.content ??= content;
      }
      operation.responses['default'] ??= { description: 'Any error', content };
    }
  }
  return document;
}
