import { Get, Inject } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { JetStreamConnection, planTopology } from '@slipstream/jetstream';
import { AuditReview, diagnose, gatherFacts } from '@slipstream/operations';
import { askDurability } from '@slipstream/postgres';
import { SERVICE_URL_VARIABLES } from '../../service-urls.js';
import { declareFor } from '../../system.js';
import { ComparisonDto, FindingsDto, TopologyChangesDto, VerificationDto } from './checks.dto.js';
import { CONFIG, type Config } from './config.js';
import { Sharing } from './sharing.js';
import { GuardedController } from './guarded-controller.decorator.js';

@ApiTags('checks')
@GuardedController()
export class ChecksController {
  private readonly review: AuditReview;
  private readonly sharing = new Sharing();

  constructor(
    private readonly connection: JetStreamConnection,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    this.review = new AuditReview({
      auditUrl: config.AUDIT_SERVICE_URL,
      ordersUrl: config.ORDER_SERVICE_URL,
    });
  }

  @Get('topology/changes')
  @ApiOperation({ summary: 'What differs from the streams and consumers that the code declares' })
  @ApiOkResponse({ type: TopologyChangesDto })
  async changes(): Promise<TopologyChangesDto> {
    const manager = await this.connection.manager();
    return { changes: await planTopology(manager, await declareFor(manager)) };
  }

  @Get('findings')
  @ApiOperation({ summary: 'What puts the guarantees of the system at risk, and what to do about it' })
  @ApiOkResponse({ type: FindingsDto })
  async findings(): Promise<FindingsDto> {
    const { NATS_MONITOR_URL: monitorUrl, DATABASE_URL: databaseUrl } = this.config;
    const facts = await gatherFacts(this.connection.nc, {
      monitorUrl,
      serviceUrls: SERVICE_URL_VARIABLES.map((variable) => this.config[variable]),
      declare: declareFor,
      askDatabase: async () =>
        databaseUrl === undefined ? 'unnamed' : ((await askDurability(databaseUrl)) ?? 'unreachable'),
    });
    return { findings: diagnose(facts) };
  }

  /** Takes as long as reading the whole log does. */
  @Get('audit/verification')
  @ApiOperation({ summary: 'Have the audit log read and prove itself' })
  @ApiOkResponse({ type: VerificationDto })
  verification(): Promise<VerificationDto> {
    return this.sharing.run('verification', () => this.review.verify());
  }

  /** Takes as long as reading the whole log does. */
  @Get('audit/comparison')
  @ApiOperation({ summary: 'Rebuild every order from the log alone and compare it with order-service' })
  @ApiOkResponse({ type: ComparisonDto })
  comparison(): Promise<ComparisonDto> {
    return this.sharing.run('comparison', () => this.review.compareReplay());
  }
}
