import { Inject, Injectable } from '@nestjs/common';
import { OutageError, redriveDurable } from '@slipstream/jetstream';
import { INTAKE } from './intake.controller.js';
import { SURVEY, type TakeSurvey } from './survey.js';

const RECALLS = redriveDurable('ORDERS', INTAKE.durable);

/**
 * After a restore the database has forgotten which orders were cancelled since. Operators send those cancellations again
 * before this process starts; what settles orders comes by other consumers, and would overtake them.
 */
@Injectable()
export class CancellationsFirst {
  private hasHeardAll = false;

  constructor(@Inject(SURVEY) private readonly survey: TakeSurvey) {}

  /** @throws OutageError until everything was handled once that operators had sent to the intake again */
  async check(): Promise<void> {
    if (this.hasHeardAll) return;
    const { consumers } = await this.survey().catch((cause: unknown) => {
      throw new OutageError('nobody says whether cancellations wait', { cause });
    });
    const recalls = consumers.find(({ consumer }) => consumer === RECALLS);
    if (recalls && recalls.pending + recalls.ackPending > 0) {
      throw new OutageError('cancellations that an operator sent again come first');
    }
    this.hasHeardAll = true;
  }
}
