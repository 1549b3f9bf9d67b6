import { Module } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { IdempotencyRepository } from './idempotency.repository.js';

/** Provides `IdempotencyRepository` on the application's data source. */
@Module({
  providers: [
    {
      provide: IdempotencyRepository,
      inject: [DataSource],
      useFactory: (dataSource: DataSource) => new IdempotencyRepository(dataSource),
    },
  ],
  exports: [IdempotencyRepository],
})
export class IdempotencyModule {}
