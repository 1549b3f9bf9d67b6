import { ApiProperty } from '@nestjs/swagger';
import type { AuditVerification, Finding, Findings, ReplayComparison, TopologyChanges } from './api.js';

const VERDICTS = ['good', 'warning', 'problem', 'unknown'] as const;
const CHANGE_CLASSES = ['safe', 'needs-migration', 'refused'] as const;
const NULLABLE_NUMBER = { nullable: true, type: Number } as const;

class FindingDto implements Finding {
  @ApiProperty({ example: 'sync' }) check: Finding['check'];
  @ApiProperty({ enum: VERDICTS }) verdict: Finding['verdict'];
  @ApiProperty({ description: 'What was found, in a sentence' }) found: string;
  @ApiProperty({ description: 'What to do, in a sentence' }) nextStep: string;
}

export class FindingsDto implements Findings {
  @ApiProperty({ type: [FindingDto] }) findings: readonly FindingDto[];
}

class TopologyChangeDto {
  @ApiProperty({ enum: CHANGE_CLASSES }) class: TopologyChanges['changes'][number]['class'];
  @ApiProperty() description: string;
}

export class TopologyChangesDto implements TopologyChanges {
  @ApiProperty({ type: [TopologyChangeDto] }) changes: readonly TopologyChangeDto[];
}

class AuditProblemDto {
  @ApiProperty() stream: string;
  @ApiProperty({ example: 'changed' }) kind: string;
  @ApiProperty(NULLABLE_NUMBER) segment: number | null;
  @ApiProperty(NULLABLE_NUMBER) record: number | null;
  @ApiProperty() detail: string;
}

export class VerificationDto implements AuditVerification {
  @ApiProperty() ok: boolean;
  @ApiProperty() segments: number;
  @ApiProperty() records: number;
  @ApiProperty({ type: [AuditProblemDto] }) problems: readonly AuditProblemDto[];
}

class DifferenceDto {
  @ApiProperty() orderId: string;
  @ApiProperty({ example: 'status' }) field: string;
  @ApiProperty({ description: 'What the log tells' }) log: string;
  @ApiProperty({ description: 'What order-service tells' }) orders: string;
}

export class ComparisonDto implements ReplayComparison {
  @ApiProperty({ description: 'Orders of both sides' }) orders: number;
  @ApiProperty({ type: [DifferenceDto] }) differences: readonly DifferenceDto[];
}
