import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';

/** Title and description of an HTTP API. */
export interface ApiDescription {
  readonly title: string;
  readonly description: string;
  /** Version of the API. @default '1' */
  readonly version?: string;
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

const METHODS = ['get', 'put', 'post', 'delete', 'patch'] as const;

/** Serves the OpenAPI pages at `/docs` and the document at `/docs/json`. */
export function serveApiDocument(app: NestFastifyApplication, api: ApiDescription): void {
  const base = new DocumentBuilder()
    .setTitle(api.title)
    .setDescription(api.description)
    .setVersion(api.version ?? '1')
    .build();
  const document = addProblems(SwaggerModule.createDocument(app, base));
  SwaggerModule.setup('docs', app, document, { jsonDocumentUrl: 'docs/json', yamlDocumentUrl: 'docs/yaml' });
}

function addProblems(document: OpenAPIObject): OpenAPIObject {
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, ProblemDetails: PROBLEM_SCHEMA },
  };
  const problem = {
    description: 'Any error',
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemDetails' } } },
  };
  for (const path of Object.values(document.paths)) {
    for (const method of METHODS) {
      const operation = path[method];
      if (operation !== undefined) {
        operation.responses = { ...operation.responses, default: operation.responses.default ?? problem };
      }
    }
  }
  return document;
}
