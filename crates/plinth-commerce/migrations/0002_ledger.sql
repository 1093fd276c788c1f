-- The books: double entry, append-only. What is not balanced cannot be written, whoever writes it.
--
-- Postings go in first; their transaction follows in the same database transaction, and closes them. So the sum can be taken
-- when the transaction's row arrives. Both say how many postings there are, and places are numbered from one: once it is closed every
-- place is taken, so nobody can add another, not even somebody who does not see the transaction's row yet.

create table commerce.ledger_accounts (
  code text primary key,
  name text not null,
  kind text not null check (kind in ('asset', 'liability', 'income', 'expense'))
);
comment on table commerce.ledger_accounts is 'Where money can be. Each provider has one, clearing:PROVIDER.';

create table commerce.ledger_transactions (
  id uuid primary key,
  order_id uuid not null references commerce.orders (id),
  kind text not null,
  reference text not null unique,
  size integer not null check (size >= 2),
  at timestamptz not null default now(),
  constraint ledger_transactions_id_size_key unique (id, size)
);
comment on column commerce.ledger_transactions.reference is 'What it stands for, such as capture:PAYMENT: nothing is booked twice.';
create index ledger_transactions_order_id_idx on commerce.ledger_transactions (order_id);

create table commerce.ledger_postings (
  transaction_id uuid not null,
  position integer not null check (position >= 1),
  size integer not null,
  account text not null references commerce.ledger_accounts (code),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  amount bigint not null check (amount <> 0),
  primary key (transaction_id, position),
  constraint ledger_postings_have_a_place check (position <= size),
  constraint ledger_postings_transaction_fkey foreign key (transaction_id, size)
    references commerce.ledger_transactions (id, size) deferrable initially deferred
);
comment on column commerce.ledger_postings.amount is 'Minor units; debit above zero, credit below.';
create index ledger_postings_account_idx on commerce.ledger_postings (account, currency);

insert into commerce.ledger_accounts (code, name, kind) values
  ('clearing:manual', 'Money that staff took', 'asset'),
  ('clearing:stripe', 'Money at Stripe', 'asset'),
  ('revenue', 'Sales without tax', 'income'),
  ('tax_payable', 'Tax to be handed on', 'liability'),
  ('customer_credit', 'Money that came for orders that had ended, to be given back', 'liability');

create function commerce.close_transaction() returns trigger
  language plpgsql
  as $$
declare
  its_size bigint;
  balances boolean;
begin
  select sum(by_currency.size), bool_and(by_currency.amount = 0) into its_size, balances
    from (select count(*) as size, sum(amount) as amount from commerce.ledger_postings
            where transaction_id = new.id group by currency) as by_currency;
  if its_size is distinct from new.size then
    raise exception 'ledger transaction % has not its % postings', new.id, new.size using errcode = '23514';
  end if;
  if not balances then
    raise exception 'ledger transaction % does not sum to zero', new.id using errcode = '23514';
  end if;
  return new;
end
$$;

create function commerce.refuse_change() returns trigger
  language plpgsql
  as $$
begin
  raise exception '% of % is not allowed: it is only added to', tg_op, tg_table_name using errcode = '42501';
end
$$;

create trigger close_transaction before insert on commerce.ledger_transactions
  for each row execute function commerce.close_transaction();
create trigger only_added_to before update or delete or truncate on commerce.ledger_transactions
  execute function commerce.refuse_change();
create trigger only_added_to before update or delete or truncate on commerce.ledger_postings
  execute function commerce.refuse_change();
create trigger only_added_to before update or delete or truncate on commerce.order_events
  execute function commerce.refuse_change();

revoke execute on function commerce.close_transaction(), commerce.refuse_change()
  from public, anon, authenticated, service_role;

alter table commerce.ledger_accounts enable row level security;
alter table commerce.ledger_transactions enable row level security;
alter table commerce.ledger_postings enable row level security;
revoke all on commerce.ledger_accounts, commerce.ledger_transactions, commerce.ledger_postings from anon, authenticated, service_role;
grant select on commerce.ledger_accounts, commerce.ledger_transactions, commerce.ledger_postings to authenticated, service_role;

create policy staff on commerce.ledger_accounts for select to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff on commerce.ledger_transactions for select to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff on commerce.ledger_postings for select to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy service_reads on commerce.ledger_accounts for select to service_role using (true);
create policy service_reads on commerce.ledger_transactions for select to service_role using (true);
create policy service_reads on commerce.ledger_postings for select to service_role using (true);
