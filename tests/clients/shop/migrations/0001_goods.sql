-- A shop with two things to sell, one of them soon gone, and one code.

insert into commerce.products (id, name) values
  ('5f0e0000-0000-4000-8000-000000000001', 'Teapot'),
  ('5f0e0000-0000-4000-8000-000000000002', 'Last cup');
insert into commerce.prices (product_id, currency, amount) values
  ('5f0e0000-0000-4000-8000-000000000001', 'EUR', 2490),
  ('5f0e0000-0000-4000-8000-000000000001', 'JPY', 4100),
  ('5f0e0000-0000-4000-8000-000000000001', 'KWD', 8750),
  ('5f0e0000-0000-4000-8000-000000000002', 'EUR', 990);
insert into commerce.inventory (product_id, on_hand) values
  ('5f0e0000-0000-4000-8000-000000000001', 100),
  ('5f0e0000-0000-4000-8000-000000000002', 1);
insert into commerce.tax_rates (region, ppm, included, name) values ('DE', 190000, true, 'MwSt.'), ('US', 82500, false, 'Sales tax');
insert into commerce.discounts (code, kind, ppm, max_uses) values ('ONCE', 'percent', 100000, 1);
