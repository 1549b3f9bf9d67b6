import { Controller, Get, HttpStatus, Inject, Res, ServiceUnavailableException } from '@nestjs/common';
import { HealthCheck as HealthRoute, HealthCheckService, type HealthCheckResult } from '@nestjs/terminus';
import { ApiTags } from '@nestjs/swagger';
import { HealthProbes } from './health-probes.js';

interface StatusReply {
  status(code: number): unknown;
}

/** Probes of an orchestrator: 200 when up, 503 when not, the reason for each check in the body. */
@ApiTags('health')
@Controller('health')
export class HealthController {
  constructor(
    @Inject(HealthCheckService) private readonly health: HealthCheckService,
    @Inject(HealthProbes) private readonly probes: HealthProbes,
  ) {}

  /** The process answers. It asks nothing else: a restart cures no broken database. */
  @Get('live')
  @HealthRoute()
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** The app can serve. `shutting_down` while it drains. */
  @Get('ready')
  @HealthRoute()
  ready(@Res({ passthrough: true }) reply: StatusReply): Promise<HealthCheckResult> {
    if (this.probes.isDraining()) {
      reply.status(HttpStatus.SERVICE_UNAVAILABLE);
      return Promise.resolve({ status: 'shutting_down', info: {}, error: {}, details: {} });
    }
    return this.answer(reply, this.probes.readiness());
  }

  /** The app has started. */
  @Get('startup')
  @HealthRoute()
  startup(@Res({ passthrough: true }) reply: StatusReply): Promise<HealthCheckResult> {
    return this.answer(reply, this.probes.startup());
  }

  private async answer(
    reply: StatusReply,
    checks: ReturnType<HealthProbes['readiness']>,
  ): Promise<HealthCheckResult> {
    try {
      return await this.health.check(checks);
    } catch (error) {
      if (!(error instanceof ServiceUnavailableException)) {
        throw error;
      }
      // Sent from here, so that no error filter of the app replaces the body that probes and people read.
      reply.status(HttpStatus.SERVICE_UNAVAILABLE);
      return error.getResponse() as HealthCheckResult;
    }
  }
}
