package admin

func (c *call) report(in TenantRequest) (any, error) {
	if _, err := c.tenancy.Entry(c.ctx, in.Tenant); err != nil {
		return nil, err
	}
	return c.tenancy.Book().Read(c.ctx, in.Tenant)
}
