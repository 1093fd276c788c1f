-- Something to sell. Loaded once by `plinth dev`.

insert into categories (name) values ('Tea'), ('Cups');

insert into commerce.products (name, description) values
  ('Assam', 'Strong, for the morning'),
  ('Sencha', 'Green, 100 g'),
  ('Peppermint', 'Without caffeine'),
  ('Mug', 'Stoneware, 0.4 l'),
  ('Teapot', 'Glass, with a sieve');

insert into commerce.prices (product_id, currency, amount)
select products.id, 'EUR', goods.amount
  from (values ('Assam', 690), ('Sencha', 850), ('Peppermint', 420), ('Mug', 1490), ('Teapot', 3900)) as goods (name, amount)
  join commerce.products on products.name = goods.name;

insert into commerce.inventory (product_id, on_hand)
select products.id, goods.on_hand
  from (values ('Assam', 40), ('Sencha', 25), ('Peppermint', 60), ('Mug', 12), ('Teapot', 3)) as goods (name, on_hand)
  join commerce.products on products.name = goods.name;

insert into shelves (product_id, category_id)
select products.id, categories.id
  from commerce.products
  join categories on categories.name = case when products.name in ('Mug', 'Teapot') then 'Cups' else 'Tea' end;

-- Prices hold the tax of Germany already; elsewhere in this shop there is none.
insert into commerce.tax_rates (region, ppm, included, name) values ('DE', 190000, true, 'MwSt.');
insert into commerce.discounts (code, kind, ppm) values ('SPRING', 'percent', 100000);
