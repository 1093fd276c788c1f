-- Something to sell. Loaded once by `plinth dev`.

insert into categories (name) values ('Tea'), ('Cups');

insert into products (category_id, name, description, price_cents, stock)
select categories.id, goods.name, goods.description, goods.price_cents, goods.stock
  from (values
    ('Tea', 'Assam', 'Strong, for the morning', 690, 40),
    ('Tea', 'Sencha', 'Green, 100 g', 850, 25),
    ('Tea', 'Peppermint', 'Without caffeine', 420, 60),
    ('Cups', 'Mug', 'Stoneware, 0.4 l', 1490, 12),
    ('Cups', 'Teapot', 'Glass, with a sieve', 3900, 3)
  ) as goods (category, name, description, price_cents, stock)
  join categories on categories.name = goods.category
 order by goods.name;
